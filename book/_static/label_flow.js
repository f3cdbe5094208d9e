// Labels that flow along the eigenvectors of block correlations, round by round. Mounts on every <div class="kd-label-flow">.
"use strict";
(function () {
  const NS = "http://www.w3.org/2000/svg";
  const TOP = 26, SIDE = 216, BARS = 64;

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

  function make(tag, attributes, parent, text) {
    const node = document.createElementNS(NS, tag);
    for (const [name, value] of Object.entries(attributes)) node.setAttribute(name, value);
    if (text !== undefined) node.textContent = text;
    if (parent) parent.appendChild(node);
    return node;
  }

  const shown = (value) => String(Number(value.toPrecision(2)));

  function mount(host, number) {
    const data = host.dataset, K = Number(data.classes), n = Number(data.samples), N = K * n;
    const within = Number(data.within), between = Number(data.between);
    const W = Math.max(320, Math.min(640, host.clientWidth || 640)), gap = 34;
    const side = Math.min(SIDE, (W - gap) / 2), cell = side / N, H = TOP + side + 22 + BARS;
    const state = { rounds: Number(data.rounds), wrong: Number(data.wrong), decay: Number(data.decay) };
    host.textContent = "";
    const svg = make("svg", { viewBox: `0 0 ${W} ${H}`, role: "img", style: "width:100%;max-width:640px;display:block" }, host);
    const still = make("g", { fill: "var(--kd-ink)", "font-size": 13 }, svg);
    make("text", { x: 0, y: 15 }, still, "correlations");
    make("text", { x: side + gap, y: 15 }, still, "outputs by class");
    for (let a = 0; a < K; a++)
      for (let b = 0; b < K; b++) {
        const place = { x: a * n * cell, y: TOP + b * n * cell, width: n * cell, height: n * cell };
        make("rect", { ...place, fill: "var(--kd-teacher)", "fill-opacity": a === b ? within : between }, svg);
      }
    make("line", { x1: 0, y1: TOP, x2: side, y2: TOP + side, stroke: "var(--kd-teacher)", "stroke-width": 2 }, svg);
    const moving = make("g", { "font-size": 13 }, svg);
    const controls = document.createElement("div");
    controls.className = "kd-sliders-controls";
    host.appendChild(controls);
    const reading = document.createElement("p");
    reading.className = "kd-drag-reading";
    reading.setAttribute("aria-live", "polite");
    host.appendChild(reading);

    const most = Math.floor((n - 1) / K);  // wrong labels of each kind that leave the true one ahead
    const sliders = [
      { name: "rounds", words: "rounds t", min: 0, max: 12, step: 1, value: state.rounds, read: Number, show: (v) => v },
      { name: "wrong", words: "noise η", min: 0, max: most, step: 1, value: state.wrong, read: Number,
        show: (v) => shown((v * (K - 1)) / n) },
      { name: "decay", words: "weight decay λ", min: -4, max: -1, step: 0.25, value: Math.log10(state.decay),
        read: (v) => 10 ** Number(v), show: shown },
    ];
    for (const one of sliders) {
      const box = document.createElement("label"), words = document.createElement("span");
      one.input = document.createElement("input");
      one.output = document.createElement("output");
      words.textContent = one.words + " ";
      Object.assign(one.input, { type: "range", min: one.min, max: one.max, step: one.step });
      one.input.value = one.value;
      one.input.id = box.htmlFor = `kd-label-flow-${number}-${one.name}`;
      one.output.setAttribute("for", one.input.id);
      one.input.dataset.name = one.name;
      box.append(words, one.output, one.input);
      controls.appendChild(box);
      one.input.addEventListener("input", draw);
    }

    function draw() {
      for (const one of sliders) {
        state[one.name] = one.read(one.input.value);
        one.output.textContent = one.show(state[one.name]);
        one.input.setAttribute("aria-valuetext", one.show(state[one.name]));
      }
      const rate = (state.wrong * (K - 1)) / n;
      const flow = outputs(K, n, within, between, rate, state.decay, state.rounds);
      moving.textContent = "";
      const left = side + gap, wide = (side - 12) / K;
      flow.rows.forEach((row, i) => {
        const y = TOP + i * cell;
        row.values.forEach((value, j) => {
          const place = { x: left + j * wide, y, width: wide - 1, height: cell + 0.3 };
          make("rect", { ...place, fill: "var(--kd-soft)", "fill-opacity": Math.max(0, Math.min(1, value)) }, moving);
        });
        if (!row.right) make("rect", { x: left + side - 9, y, width: 8, height: cell, fill: "var(--kd-hard)" }, moving);
      });
      for (let k = 0; k <= K; k++)
        make("line", { x1: left, x2: left + side - 12, y1: TOP + k * n * cell, y2: TOP + k * n * cell, stroke: "var(--kd-ink)" }, moving);
      const bar = (words, value, row, color) => {
        const y = TOP + side + 22 + 26 * row, from = 150;
        make("text", { x: 0, y: y + 13, fill: "var(--kd-ink)" }, moving, words);
        const whole = { x: from, y, height: 16, width: W - from - 44 };
        make("rect", { ...whole, fill: "none", stroke: "var(--kd-muted)" }, moving);
        make("rect", { ...whole, width: (W - from - 44) * value, fill: color }, moving);
        make("text", { x: W - 38, y: y + 13, fill: "var(--kd-ink)" }, moving, shown(value));
      };
      bar("kept of a class, qᵗ", flow.q, 0, "var(--kd-teacher)");
      bar("kept of a sample, pᵗ", flow.p, 1, "var(--kd-hard)");
      const right = flow.rows.filter((row) => row.right).length;
      const asked = Number.isFinite(flow.threshold) ? shown(flow.threshold) : "a round";
      reading.textContent =
        `After ${state.rounds} rounds ${right} of ${N} samples have their true class ahead. The noise leaves it ahead by ` +
        `${shown(flow.margin)} of the labels; the condition asks for ${asked}.`;
      host.dataset.right = right;
      svg.setAttribute("aria-label", reading.textContent);
    }
    draw();
  }

  window.kdlib = Object.assign(window.kdlib || {}, { labelFlow: outputs });
  function mountAll() { document.querySelectorAll("div.kd-label-flow").forEach(mount); }
  if (document.readyState === "loading") document.addEventListener("DOMContentLoaded", mountAll);
  else mountAll();
})();
