// Samples in the plane of two gradients through training, one epoch at a time. Mounts on every <div class="kd-gradient-plane">.
"use strict";
(function () {
  const NS = "http://www.w3.org/2000/svg";
  const MARGIN = { left: 44, right: 10, top: 10, bottom: 38 };

  // How many samples have |b| > |a|.
  function counts(a, b) {
    const marked = a.filter((value, i) => Math.abs(b[i]) > Math.abs(value)).length;
    return { marked, others: a.length - marked };
  }

  function make(tag, attributes, parent, text) {
    const node = document.createElementNS(NS, tag);
    for (const [name, value] of Object.entries(attributes)) node.setAttribute(name, value);
    if (text !== undefined) node.textContent = text;
    if (parent) parent.appendChild(node);
    return node;
  }

  function mount(host, number) {
    const epochs = JSON.parse(host.dataset.epochs), a = JSON.parse(host.dataset.a), b = JSON.parse(host.dataset.b);
    const W = Math.max(300, Math.min(520, host.clientWidth || 520)), H = Math.round(0.72 * W);
    const lowest = Math.min(-0.05, ...b.flat()), highest = Math.max(1.05, ...b.flat());
    const left = Math.min(-1.02, ...a.flat()), wide = W - MARGIN.left - MARGIN.right, high = H - MARGIN.top - MARGIN.bottom;
    const x = (value) => MARGIN.left + (wide * (value - left)) / -left;
    const y = (value) => MARGIN.top + (high * (highest - value)) / (highest - lowest);
    host.textContent = "";
    const svg = make("svg", { viewBox: `0 0 ${W} ${H}`, role: "img", style: `width:100%;max-width:${W}px;display:block` }, host);
    const corner = (u, v) => `${x(u)},${y(v)}`;
    const reach = Math.min(-left, highest), below = Math.max(left, lowest);
    const inside = [corner(0, 0), corner(-reach, reach), corner(left, reach), corner(left, below), corner(below, below)];
    make("polygon", { points: inside.join(" "), fill: "var(--kd-muted)", "fill-opacity": 0.25 }, svg);
    const axes = make("g", { fill: "var(--kd-ink)", "font-size": 12 }, svg);
    const line = { stroke: "var(--kd-ink)", "stroke-width": 1 };
    make("line", { ...line, x1: x(left), x2: x(0), y1: y(0), y2: y(0) }, axes);
    make("line", { ...line, x1: x(0), x2: x(0), y1: y(lowest), y2: y(highest) }, axes);
    make("line", { ...line, x1: x(0), x2: x(-reach), y1: y(0), y2: y(reach), "stroke-dasharray": "4 3" }, axes);
    make("line", { ...line, x1: x(0), x2: x(below), y1: y(0), y2: y(below), "stroke-dasharray": "4 3" }, axes);
    for (const value of [-1, -0.5, 0])
      make("text", { x: x(value), y: H - 20, "text-anchor": value ? "middle" : "end" }, axes, value);
    for (let value = Math.ceil(lowest); value <= highest; value++)
      make("text", { x: MARGIN.left - 8, y: y(value) + 4, "text-anchor": "end" }, axes, value);
    make("text", { x: MARGIN.left + wide / 2, y: H - 4, "text-anchor": "middle" }, axes, "a, of the label loss");
    const turn = `translate(12 ${MARGIN.top + high / 2}) rotate(-90)`;
    make("text", { transform: turn, "text-anchor": "middle" }, axes, "b, of the rest");
    const moving = make("g", {}, svg);

    const controls = document.createElement("div");
    controls.className = "kd-sliders-controls";
    const box = document.createElement("label"), words = document.createElement("span");
    const input = document.createElement("input"), output = document.createElement("output");
    words.textContent = "epoch ";
    Object.assign(input, { type: "range", min: 0, max: epochs.length - 1, step: 1 });
    input.value = 0;
    input.dataset.name = "epoch";
    input.id = box.htmlFor = `kd-gradient-plane-${number}-epoch`;
    output.setAttribute("for", input.id);
    box.append(words, output, input);
    controls.appendChild(box);
    const reading = document.createElement("p");
    reading.className = "kd-drag-reading";
    reading.setAttribute("aria-live", "polite");
    host.append(controls, reading);

    function draw() {
      const place = Number(input.value), found = counts(a[place], b[place]), n = a[place].length;
      output.textContent = epochs[place];
      input.setAttribute("aria-valuetext", epochs[place]);
      moving.textContent = "";
      a[place].forEach((value, i) => {
        const marked = Math.abs(b[place][i]) > Math.abs(value);
        const fill = marked ? "var(--kd-soft)" : "var(--kd-hard)";
        make("circle", { cx: x(value), cy: y(b[place][i]), r: 3, fill, "fill-opacity": 0.65 }, moving);
      });
      const share = Math.round((100 * found.marked) / n);
      reading.textContent =
        `After ${epochs[place]} epochs ${found.marked} of ${n} samples (${share} %) are regularization samples, outside the grey ` +
        `wedge between the lines |b| = |a|; ${found.others} (${100 - share} %) are not.`;
      host.dataset.marked = found.marked;
      svg.setAttribute("aria-label", reading.textContent);
    }
    input.addEventListener("input", draw);
    draw();
  }

  window.kdlib = Object.assign(window.kdlib || {}, { gradientPlane: counts });
  function mountAll() { document.querySelectorAll("div.kd-gradient-plane").forEach(mount); }
  if (document.readyState === "loading") document.addEventListener("DOMContentLoaded", mountAll);
  else mountAll();
})();
