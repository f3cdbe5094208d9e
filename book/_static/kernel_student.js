// A wide student of 300 samples at every sample size, computed in the page: <div class="kd-kernel-student">. One Cholesky
// factor of the kernel gives all of them; the reader chooses the soft ratio and the temperature.
"use strict";
(function () {
  const { axes, drawing, element, legend, mount, percent, polyline, reading, resize, shape, shown, slider, worker } =
    window.kdlib.moving;
  const { cholesky, forward, tangentKernel } = window.kdlib.gram;
  const { effectiveLogit, softRatio, temperature } = window.kdlib;
  const HEIGHT = 270, GHOST = { stroke: "var(--kd-ink)", "stroke-width": 1.5, "stroke-dasharray": "5 4" };
  const OWN = { stroke: "var(--kd-soft)", "stroke-width": 2.5 };

  // For each number of samples the norm of the student's weight change, and the share of the pool's other points on
  // which it disagrees with its teacher. L is the factor of the pool's kernel, targets are a logit for each of its points.
  function student(L, { initial, teacher }, targets, samples) {
    const n = initial.length, v = forward(L, n, targets.map((target, i) => target - initial[i]));
    const outputs = Float64Array.from(initial);
    const norms = [], risks = [];
    let square = 0;
    for (let i = 0; i < samples; i++) {
      square += v[i] * v[i];
      norms.push(Math.sqrt(square));
      let wrong = 0;
      for (let j = samples; j < n; j++) {
        outputs[j] += L[j * n + i] * v[i];
        if (outputs[j] * teacher[j] < 0) wrong += 1;
      }
      risks.push(wrong / (n - samples));
    }
    return { norms, risks };
  }

  // In the worker: the students of several targets. The factor of a draw's pool is kept until another draw is asked for.
  function students({ draw, pool, depth, targets, samples }, kept) {
    if (kept.draw !== draw) Object.assign(kept, { draw, L: cholesky(tangentKernel(pool.points, depth), pool.points.length) });
    return targets.map((target) => student(kept.L, pool, target, samples));
  }

  // Slopes of the log norm against log n on a grid of sizes, and their moving averages: metrics.inefficiency.slopes.
  function inefficiency(norms, sizes, together) {
    const rises = sizes.slice(1).map((size, i) =>
      Math.log(norms[size - 1] / norms[sizes[i] - 1]) / Math.log(size / sizes[i]));
    const mean = (values, i) => values.slice(i, i + together).reduce((sum, value) => sum + value, 0) / together;
    const places = rises.slice(together - 1).map((_, i) => i);
    return { sizes: places.map((i) => mean(sizes, i)), values: places.map((i) => mean(rises, i)) };
  }

  // What the student is asked to be where a perfect teacher and its own decisions are mixed.
  const mixed = (teacher, rho, T) => teacher.map((z) => effectiveLogit(z, z > 0 ? 1 : 0, rho, T));

  mount("kd-kernel-student", (host, id) => {
    const read = (name) => JSON.parse(host.dataset[name]);
    const draws = read("draws"), depth = read("depth"), n = read("samples"), sizes = read("sizes"), together = read("together");
    const tests = draws[0].points.length - n;
    const ask = worker(cholesky, forward, tangentKernel, student, students);
    const svg = drawing(), told = reading(svg);
    const controls = element("div", { class: "kd-controls" });
    const control = ({ range, at, place, show }, value) =>
      slider(controls, id, { ...range, value: place(value), show: (x) => show(at(x)) }, compute);
    const ofRho = control(softRatio, read("rho")), ofT = control(temperature, read("temperature"));
    const ofDraw = slider(controls, id, { name: "draw", words: "draw", min: 1, max: draws.length, step: 1, value: 1 }, compute);
    const lines = legend([{ words: "the student you set", ...OWN }, { words: "soft ratio ρ = 1", ...GHOST }]);

    let soft = null, own = null, width = 0;
    const curves = ({ norms, risks }) => ({ norms, risks, ...inefficiency(norms, sizes, together) });
    compute();

    function compute() {
      const rho = softRatio.at(ofRho.value), T = temperature.at(ofT.value), number = ofDraw.value;
      const pool = draws[number - 1], targets = [pool.teacher, mixed(pool.teacher, rho, T)];
      ask({ draw: number, pool, depth, targets, samples: n }, (results) => {
        if (!own) host.replaceChildren(svg, lines, controls, told.line);
        [soft, own] = results.map(curves);
        draw();
        tell(rho, T, number);
      });
    }

    function draw() {
      if (!own) return;
      const beside = width >= 560, wide = beside ? width / 2 : width;
      resize(svg, width, beside ? HEIGHT : 2 * HEIGHT);
      const every = Array.from({ length: n }, (_, i) => i + 1);
      const size = { logarithmic: true, name: "samples n" };
      const ofRisk = ({ risks }) => ({ x: every, y: risks });
      const risk = { values: [0.01, 0.6], logarithmic: true, name: "transfer risk" };
      panel(0, 0, wide, { ...size, values: [1, n] }, risk, ofRisk(soft), ofRisk(own));
      const slope = { values: [0, 1], name: "data inefficiency I(n)" };
      const [left, top] = beside ? [wide, 0] : [0, HEIGHT];
      const ofSlope = ({ sizes: x, values: y }) => ({ x, y });
      panel(left, top, wide, { ...size, values: [sizes[0], n] }, slope, ofSlope(soft), ofSlope(own));
    }

    // What lies beyond the ends of the vertical axis is drawn at its ends.
    function panel(left, top, wide, x, y, ghost, curve) {
      const part = shape(svg, "g", { transform: `translate(${left} ${top})` });
      const [X, Y] = axes(part, wide, HEIGHT, x, y);
      const [low, high] = y.values, inside = (value) => Math.min(Math.max(value, low), high);
      const points = ({ x: across, y: upward }) => across.map((value, i) => `${X(value)},${Y(inside(upward[i]))}`);
      polyline(part, points(curve), { ...OWN, "data-values": curve.y.join(" ") });
      polyline(part, points(ghost), GHOST);
    }

    function tell(rho, T, number) {
      const last = (values) => values[values.length - 1];
      told.say(
        `Draw ${number}, soft ratio ${softRatio.show(rho)}, temperature ${temperature.show(T)}: the student of ${n} ` +
        `samples disagrees with its teacher on ${percent(last(own.risks))} of ${tests} test points, that of soft ratio 1 on ` +
        `${percent(last(soft.risks))}. The data inefficiency near n = ${shown(Math.round(last(own.sizes)))} is ` +
        `${shown(last(own.values), 2)}, that of soft ratio 1 ${shown(last(soft.values), 2)}.`
      );
    }

    return (size) => { width = size; draw(); };
  });

  Object.assign(window.kdlib, { kernelStudents: students, inefficiency });
})();
