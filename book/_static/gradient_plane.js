// Samples in the plane of two gradients through training, one epoch at a time: <div class="kd-gradient-plane">.
"use strict";
(function () {
  const { drawing, element, mount, reading, resize, shape, slider } = window.kdlib.moving;
  const MARGIN = { left: 44, right: 10, top: 10, bottom: 38 };

  // How many samples have |b| > |a|.
  function counts(a, b) {
    const marked = a.filter((value, i) => Math.abs(b[i]) > Math.abs(value)).length;
    return { marked, others: a.length - marked };
  }

  // The axes with the wedge |b| <= |a| between the two diagonals; returns where values of a and b lie.
  function plane(svg, width, a, b) {
    const W = Math.min(520, width), H = Math.round(0.72 * W);
    const lowest = Math.min(-0.05, ...b.flat()), highest = Math.max(1.05, ...b.flat());
    const left = Math.min(-1.02, ...a.flat()), wide = W - MARGIN.left - MARGIN.right, high = H - MARGIN.top - MARGIN.bottom;
    const x = (value) => MARGIN.left + (wide * (value - left)) / -left;
    const y = (value) => MARGIN.top + (high * (highest - value)) / (highest - lowest);
    resize(svg, W, H);
    const corner = (u, v) => `${x(u)},${y(v)}`;
    const reach = Math.min(-left, highest), below = Math.max(left, lowest);
    const inside = [corner(0, 0), corner(-reach, reach), corner(left, reach), corner(left, below), corner(below, below)];
    shape(svg, "polygon", { points: inside.join(" "), fill: "var(--kd-muted)", "fill-opacity": 0.25 });
    const axes = shape(svg, "g", { class: "kd-axes" });
    const rule = { class: "kd-zero" };
    shape(axes, "line", { ...rule, x1: x(left), x2: x(0), y1: y(0), y2: y(0) });
    shape(axes, "line", { ...rule, x1: x(0), x2: x(0), y1: y(lowest), y2: y(highest) });
    shape(axes, "line", { ...rule, x1: x(0), x2: x(-reach), y1: y(0), y2: y(reach), "stroke-dasharray": "4 3" });
    shape(axes, "line", { ...rule, x1: x(0), x2: x(below), y1: y(0), y2: y(below), "stroke-dasharray": "4 3" });
    for (const value of [-1, -0.5, 0])
      shape(axes, "text", { x: x(value), y: H - 20, "text-anchor": value ? "middle" : "end" }, String(value).replace("-", "−"));
    for (let value = Math.ceil(lowest); value <= highest; value++)
      shape(axes, "text", { x: MARGIN.left - 8, y: y(value) + 4, "text-anchor": "end" }, String(value).replace("-", "−"));
    shape(axes, "text", { x: MARGIN.left + wide / 2, y: H - 4, "text-anchor": "middle" }, "a, of the label loss");
    const turn = `translate(12 ${MARGIN.top + high / 2}) rotate(-90)`;
    shape(axes, "text", { transform: turn, "text-anchor": "middle" }, "b, of the rest");
    return [x, y];
  }

  mount("kd-gradient-plane", (host, id) => {
    const epochs = JSON.parse(host.dataset.epochs), a = JSON.parse(host.dataset.a), b = JSON.parse(host.dataset.b);
    const svg = drawing(), told = reading(svg);
    const controls = element("div", { class: "kd-controls" });
    const range = { min: 0, max: epochs.length - 1, step: 1, value: 0, show: (place) => epochs[place] };
    const epoch = slider(controls, id, { name: "epoch", words: "epoch", ...range }, draw);
    host.replaceChildren(svg, controls, told.line);

    let dots, x, y;
    function frame(width) {
      [x, y] = plane(svg, width, a, b);
      dots = shape(svg, "g", { "fill-opacity": 0.65 });
      draw();
    }

    function draw() {
      const place = epoch.value, found = counts(a[place], b[place]), n = a[place].length;
      dots.replaceChildren();
      a[place].forEach((value, i) => {
        const fill = Math.abs(b[place][i]) > Math.abs(value) ? "var(--kd-soft)" : "var(--kd-hard)";
        shape(dots, "circle", { cx: x(value), cy: y(b[place][i]), r: 3, fill });
      });
      host.dataset.marked = found.marked;
      const share = Math.round((100 * found.marked) / n);
      told.say(
        `After ${epochs[place]} epochs ${found.marked} of ${n} samples (${share} %) are regularization samples, outside the grey ` +
        `wedge between the lines |b| = |a|; ${found.others} (${100 - share} %) are not.`
      );
    }
    return frame;
  });

  window.kdlib.gradientPlane = counts;
})();
