// Labels that flow along the eigenvectors of block correlations, round by round: <div class="kd-label-flow">.
"use strict";
(function () {
  const { drawing, element, mount, reading, resize, shape, shown, slider } = window.kdlib.moving;
  const TOP = 26, SIDE = 216, BARS = 64, GAP = 34, WRONG = 12;

  // Outputs after t rounds: p^t of the given label, q^t - p^t of the labels of the class, and equal shares of the rest.
  function outputs(K, n, within, between, rate, decay, t) {
    const wrong = Math.round((n * rate) / (K - 1));
    const s = K * K * n * decay, own = 1 - within, shared = own + n * (within - between);
    const p = (own / (own + s)) ** t, q = (shared / (shared + s)) ** t;
    const C = (k, j) => (k === j ? n - wrong * (K - 1) : wrong) / n;
    const rows = [];
    for (let k = 0; k < K; k++)
      for (let y = 0; y < K; y++)
        for (let i = 0; i < Math.round(n * C(k, y)); i++) {
          const values = Array.from({ length: K }, (_, j) => p * (j === y) + (q - p) * C(k, j) + (1 - q) / K);
          const ahead = values[k] - Math.max(...values.filter((_, j) => j !== k));
          rows.push({ truth: k, given: y, values, right: ahead > 1e-9 });
        }
    const margin = C(0, 0) - C(0, 1), threshold = t && q > p ? 1 / (q / p - 1) : Infinity;
    return { p, q, rows, margin, threshold };
  }

  mount("kd-label-flow", (host, id) => {
    const data = host.dataset, K = Number(data.classes), n = Number(data.samples), N = K * n;
    const within = Number(data.within), between = Number(data.between);
    const most = Math.floor((n - 1) / K); // wrong labels of each kind that leave the true one ahead
    const noise = (wrong) => (wrong * (K - 1)) / n;
    const svg = drawing(), told = reading(svg);
    const controls = element("div", { class: "kd-controls" });
    const control = (settings) => slider(controls, id, settings, draw);
    const rounds = control({ name: "rounds", words: "rounds t", min: 0, max: 12, step: 1, value: data.rounds });
    const wrong = control({ name: "wrong", words: "noise η", min: 0, max: most, step: 1, value: data.wrong,
      show: (v) => shown(noise(v), 2) });
    const decay = control({ name: "decay", words: "weight decay λ", min: -4, max: -1, step: 0.25,
      value: Math.log10(data.decay), show: (v) => shown(10 ** v, 2) });
    host.replaceChildren(svg, controls, told.line);

    let moving, W, side;
    function frame(width) {
      W = width;
      side = Math.min(SIDE, (W - GAP) / 2);
      resize(svg, W, TOP + side + 22 + BARS);
      const names = shape(svg, "g", { class: "kd-axes" });
      shape(names, "text", { x: 0, y: 15 }, "correlations");
      shape(names, "text", { x: side + GAP, y: 15 }, "outputs by class");
      correlations();
      moving = shape(svg, "g", { class: "kd-axes" });
      draw();
    }

    function correlations() {
      const block = side / K;
      for (let a = 0; a < K; a++)
        for (let b = 0; b < K; b++) {
          const place = { x: a * block, y: TOP + b * block, width: block, height: block };
          shape(svg, "rect", { ...place, fill: "var(--kd-teacher)", "fill-opacity": a === b ? within : between });
        }
      shape(svg, "line", { x1: 0, y1: TOP, x2: side, y2: TOP + side, stroke: "var(--kd-teacher)", "stroke-width": 2 });
    }

    // A row for each sample with a cell for each class, and a mark at the right where another class is ahead.
    function samples(rows) {
      const left = side + GAP, cell = side / N, wide = (side - WRONG) / K;
      rows.forEach((row, i) => {
        const y = TOP + i * cell;
        row.values.forEach((value, j) => {
          const place = { x: left + j * wide, y, width: wide - 1, height: cell + 0.3 };
          shape(moving, "rect", { ...place, fill: "var(--kd-soft)", "fill-opacity": Math.max(0, Math.min(1, value)) });
        });
        if (!row.right) shape(moving, "rect", { x: left + side - 9, y, width: 8, height: cell, fill: "var(--kd-hard)" });
      });
      for (let k = 0; k <= K; k++) {
        const y = TOP + (k * side) / K;
        shape(moving, "line", { class: "kd-zero", x1: left, x2: left + side - WRONG, y1: y, y2: y });
      }
    }

    function bar(words, value, row, color) {
      const y = TOP + side + 22 + 26 * row, from = 150;
      shape(moving, "text", { x: 0, y: y + 13 }, words);
      const whole = { x: from, y, height: 16, width: W - from - 44 };
      shape(moving, "rect", { ...whole, fill: "none", stroke: "var(--kd-muted)" });
      shape(moving, "rect", { ...whole, width: whole.width * value, fill: color });
      shape(moving, "text", { x: W - 38, y: y + 13 }, shown(value, 2));
    }

    function draw() {
      const t = rounds.value, flow = outputs(K, n, within, between, noise(wrong.value), 10 ** decay.value, t);
      moving.replaceChildren();
      samples(flow.rows);
      bar("kept of a class, qᵗ", flow.q, 0, "var(--kd-teacher)");
      bar("kept of a sample, pᵗ", flow.p, 1, "var(--kd-hard)");
      const right = flow.rows.filter((row) => row.right).length;
      const asked = Number.isFinite(flow.threshold) ? shown(flow.threshold, 2) : "a round";
      host.dataset.right = right;
      told.say(
        `After ${t} rounds ${right} of ${N} samples have their true class ahead. The noise leaves it ahead by ` +
        `${shown(flow.margin, 2)} of the labels; the condition asks for ${asked}.`
      );
    }
    return frame;
  });

  window.kdlib.labelFlow = outputs;
})();
