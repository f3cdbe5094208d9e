// Self-distillation of a linear probe round by round, computed in the page from a Gram matrix: <div class="kd-label-rounds">.
// The reader chooses the noise, the number of classes and the penalty.
"use strict";
(function () {
  const { axes, drawing, element, legend, mount, percent, polyline, reading, resize, shape, shown, slider, worker } =
    window.kdlib.moving;
  const { backward, cholesky, forward } = window.kdlib.gram;
  const HEIGHT = 300;
  const AVERAGED = { stroke: "var(--kd-soft)", "stroke-width": 2.5 };
  const PARTIAL = { stroke: "var(--kd-hard)", "stroke-width": 2.5, "stroke-dasharray": "9 6" };

  // The true class of each sample, and a given label that is another one where the sample's first chance is below the
  // noise rate; its second chance says which.
  function drawnLabels(classes, samples, rate, chances) {
    const truth = Array.from({ length: classes * samples }, (_, i) => Math.floor(i / samples));
    const given = truth.map((k, i) =>
      chances[i][0] < rate ? (k + 1 + Math.floor(chances[i][1] * (classes - 1))) % classes : k);
    return { truth, given };
  }

  // Share of samples whose true class is ahead of every other one by more than rounding; columns has a class's outputs.
  function shareRight(columns, truth) {
    const all = columns.flatMap((column) => [...column]);
    const mean = all.reduce((sum, value) => sum + value, 0) / all.length;
    const spread = Math.sqrt(all.reduce((sum, value) => sum + (value - mean) ** 2, 0) / (all.length - 1));
    const right = truth.filter((k, i) =>
      columns.every((column, j) => j === k || columns[k][i] - column[i] > 1e-9 * spread));
    return right.length / truth.length;
  }

  // The two largest outputs of each sample as targets of one half each; of outputs that tie, the smaller class's.
  function twoLabels(columns) {
    const targets = columns.map((column) => new Float64Array(column.length));
    columns[0].forEach((_, i) => {
      const values = columns.map((column) => Math.round(1e9 * column[i]));
      const order = values.map((_, j) => j).sort((a, b) => values[b] - values[a] || a - b);
      for (const j of order.slice(0, 2)) targets[j][i] = 0.5;
    });
    return targets;
  }

  // In the worker: the share of right samples after 0, 1, … rounds, and after one round with two labels a sample. With
  // K classes and N samples a round takes K N λ (G + K N λ)⁻¹ (Y - 1/K) away from the outputs Y.
  function averaging({ classes, samples, within, between, decay, rounds, truth, given }) {
    const N = classes * samples, penalty = classes * N * decay;
    const L = new Float64Array(N * N);
    for (let i = 0; i < N; i++)
      for (let j = 0; j < N; j++) L[i * N + j] = i === j ? 1 + penalty : truth[i] === truth[j] ? within : between;
    cholesky(L, N);
    const round = (columns) => columns.map((column) => {
      const shares = column.map((value) => value - 1 / classes);
      const taken = backward(L, N, forward(L, N, shares));
      return column.map((value, i) => value - penalty * taken[i]);
    });
    let outputs = Array.from({ length: classes }, (_, k) => Float64Array.from(given, (label) => (label === k ? 1 : 0)));
    const accuracies = [shareRight(outputs, truth)];
    let partial = null;
    for (let t = 1; t <= rounds; t++) {
      outputs = round(outputs);
      accuracies.push(shareRight(outputs, truth));
      if (t === 1) partial = shareRight(round(twoLabels(outputs)), truth);
    }
    return { accuracies, partial };
  }

  mount("kd-label-rounds", (host, id) => {
    const read = (name) => JSON.parse(host.dataset[name]);
    const samples = read("samples"), rounds = read("rounds"), chances = read("chances");
    const fixed = { samples, rounds, within: read("within"), between: read("between") };
    const most = chances.length / samples;
    const ask = worker(cholesky, forward, backward, shareRight, twoLabels, averaging);
    const svg = drawing(), told = reading(svg);
    const controls = element("div", { class: "kd-controls" });
    const control = (settings) => slider(controls, id, settings, compute);
    const noise = control({ name: "noise", words: "noise rate η", min: 0, max: 0.8, step: 0.05, value: read("noise") });
    const classes = control({ name: "classes", words: "classes K", min: 3, max: most, step: 1, value: read("classes") });
    const decay = control({ name: "decay", words: "weight decay λ", min: -5, max: -1, step: 0.25,
      value: Math.log10(read("decay")), show: (x) => shown(10 ** x, 2) });
    const lines = legend([{ words: "labels averaged t times", ...AVERAGED }, { words: "one round with two labels", ...PARTIAL }]);

    let result = null, width = 0;
    compute();

    function compute() {
      const K = classes.value, task = { ...fixed, classes: K, decay: 10 ** decay.value };
      ask({ ...task, ...drawnLabels(K, samples, noise.value, chances) }, (found) => {
        if (!result) host.replaceChildren(svg, lines, controls, told.line);
        result = found;
        draw();
        tell();
      });
    }

    function draw() {
      if (!result) return;
      resize(svg, width, HEIGHT);
      const [X, Y] = axes(svg, width, HEIGHT, { values: [0, rounds], name: "rounds t" },
        { values: [0, 1], name: "share of right samples" });
      const points = result.accuracies.map((share, t) => `${X(t)},${Y(share)}`);
      polyline(svg, points, { ...AVERAGED, "data-values": result.accuracies.join(" ") });
      result.accuracies.forEach((share, t) => shape(svg, "circle", { cx: X(t), cy: Y(share), r: 3.5, fill: "var(--kd-soft)" }));
      const y = Y(result.partial);
      shape(svg, "line", { ...PARTIAL, "data-value": result.partial, x1: X(0), x2: X(rounds), y1: y, y2: y });
    }

    function tell() {
      const { accuracies, partial } = result, best = Math.max(...accuracies), first = accuracies.indexOf(best);
      const N = classes.value * samples;
      told.say(
        `${shown(Math.round(accuracies[0] * N))} of ${N} given labels are right. After one round the true class is ahead on ` +
        `${percent(accuracies[1])} of the samples, after ${first} on ${percent(best)}, the largest share within ${rounds} ` +
        `rounds. One round with two labels of one half each puts it ahead on ${percent(partial)}.`
      );
    }

    return (size) => { width = size; draw(); };
  });

  Object.assign(window.kdlib, { drawnLabels, labelRounds: averaging });
})();
