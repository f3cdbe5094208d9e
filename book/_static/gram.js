// Linear algebra on a Gram matrix, for the students that a page computes itself. Matrices are Float64Array, row after row.
// The functions take all that they need, so that a worker can have them too.
"use strict";
(function () {
  // The lower factor L of a positive definite matrix, L L^T = A, in the place of A.
  function cholesky(A, n) {
    for (let i = 0; i < n; i++)
      for (let j = 0; j <= i; j++) {
        let rest = A[i * n + j];
        for (let k = 0; k < j; k++) rest -= A[i * n + k] * A[j * n + k];
        if (i === j && !(rest > 0)) throw new RangeError(`sample ${i} adds nothing to the ones before it`);
        A[i * n + j] = i === j ? Math.sqrt(rest) : rest / A[j * n + j];
      }
    return A;
  }

  // L v = b. The first m entries of v are those of the system's first m rows alone.
  function forward(L, n, b) {
    const v = Float64Array.from(b);
    for (let i = 0; i < n; i++) {
      for (let k = 0; k < i; k++) v[i] -= L[i * n + k] * v[k];
      v[i] /= L[i * n + i];
    }
    return v;
  }

  // L^T x = v.
  function backward(L, n, v) {
    const x = Float64Array.from(v);
    for (let i = n - 1; i >= 0; i--) {
      x[i] /= L[i * n + i];
      for (let k = 0; k < i; k++) x[k] -= L[i * n + k] * x[i];
    }
    return x;
  }

  // The NTK of a network with so many hidden ReLU layers and scales of 1 between all points, as kernels.ntk has it. The
  // angle between two points' features comes from their distance, as the arccosine would lose half of the digits.
  function tangentKernel(points, depth) {
    const n = points.length, kernel = new Float64Array(n * n);
    const vectors = points.map((x) => [1, ...x.map((value) => value / Math.sqrt(x.length))]);
    const squares = vectors.map((u) => u.reduce((sum, value) => sum + value * value, 0));
    const units = vectors.map((u, i) => u.map((value) => value / Math.sqrt(squares[i])));
    for (let i = 0; i < n; i++)
      for (let j = 0; j <= i; j++) {
        let apart = 0, together = 0;
        units[i].forEach((value, k) => {
          apart += (value - units[j][k]) ** 2;
          together += (value + units[j][k]) ** 2;
        });
        let angle = 2 * Math.atan2(Math.sqrt(apart), Math.sqrt(together));
        let [a, b] = [squares[i], squares[j]];
        let theta = Math.sqrt(a * b) * Math.cos(angle);
        for (let layer = 0; layer < depth; layer++) {
          const size = Math.sqrt(a * b), sine = Math.sin(angle), cosine = Math.cos(angle);
          const mean = (size * (sine + (Math.PI - angle) * cosine)) / (2 * Math.PI); // E[g(u) g(u')]
          theta = 1 + mean + (theta * (Math.PI - angle)) / (2 * Math.PI);
          // 1 - cos of the next angle, without the difference of two numbers near 1
          const norms = Math.sqrt((1 + a / 2) * (1 + b / 2));
          const unlike = (Math.sqrt(a) - Math.sqrt(b)) ** 2 / (2 * (norms + 1 + size / 2));
          const bent = 2 * Math.PI * Math.sin(angle / 2) ** 2 - (sine - angle * cosine);
          const versine = (unlike + (size * bent) / (2 * Math.PI)) / norms;
          angle = 2 * Math.asin(Math.sqrt(Math.max(0, versine) / 2));
          [a, b] = [1 + a / 2, 1 + b / 2];
        }
        kernel[i * n + j] = kernel[j * n + i] = theta;
      }
    return kernel;
  }

  window.kdlib.gram = { cholesky, forward, backward, tangentKernel };
})();
