// Networks of a few neurons that learn from sixty points of the plane, trained in the page: <div class="kd-four-neurons">.
// The reader chooses hard or soft labels, the number of neurons, their start, and the number of updates.
"use strict";
(function () {
  const { axes, choice, drawing, element, legend, mount, percent, polyline, reading, resize, shape, shown, slider, worker } =
    window.kdlib.moving;
  const TEACHER = { stroke: "var(--kd-teacher)", "stroke-width": 2.5, "stroke-dasharray": "9 6" };
  const COLORS = { hard: "var(--kd-hard)", soft: "var(--kd-soft)" };

  // A point of the plane as an input (x1, x2, 1), centred and divided by its norm.
  function lift([first, second], centre) {
    const [a, b] = [first - centre[0], second - centre[1]], norm = Math.hypot(a, b, 1);
    return [a / norm, b / norm, 1 / norm];
  }

  // f(x) = 1/√m Σ a_j max(W_j · x, 0)
  function output(signs, weights, x) {
    let sum = 0;
    weights.forEach((W, j) => { sum += signs[j] * Math.max(W[0] * x[0] + W[1] * x[1] + W[2] * x[2], 0); });
    return sum / Math.sqrt(signs.length);
  }

  // Projected gradient descent with all inputs in each update, as in kdlib.training. A radius of null is none. Returns
  // the weights; the start stays as it is.
  function descend({ signs, start }, inputs, targets, { step, radius, updates }) {
    const m = signs.length, n = inputs.length;
    const weights = start.map((W) => [...W]);
    for (let t = 0; t < updates; t++) {
      const residuals = inputs.map((x, i) => 1 / (1 + Math.exp(-output(signs, weights, x))) - targets[i]);
      weights.forEach((W, j) => {
        const slope = [0, 0, 0];
        inputs.forEach((x, i) => {
          if (W[0] * x[0] + W[1] * x[1] + W[2] * x[2] > 0) for (let k = 0; k < 3; k++) slope[k] += residuals[i] * x[k];
        });
        for (let k = 0; k < 3; k++) W[k] -= (step * signs[j] * slope[k]) / (Math.sqrt(m) * n);
        const moved = Math.hypot(...W.map((value, k) => value - start[j][k])), most = radius / Math.sqrt(m);
        if (radius !== null && moved > most)
          for (let k = 0; k < 3; k++) W[k] = start[j][k] + (most / moved) * (W[k] - start[j][k]);
      });
    }
    return weights;
  }

  // In the worker: two networks with one start, one of hard and one of soft labels, and their outputs at places.
  function twoStudents({ network, inputs, targets, places, descent }) {
    const students = {};
    for (const [kind, ofKind] of Object.entries(targets)) {
      const weights = descend(network, inputs, ofKind, descent);
      students[kind] = {};
      for (const [name, lifted] of Object.entries(places))
        students[kind][name] = lifted.map((x) => output(network.signs, weights, x));
    }
    return students;
  }

  // Where values on a grid change their sign along the edges of its cells: for each cell the edges that its line crosses.
  function crossings(values, { first, second }, X, Y) {
    const at = (node) => values[node], count = second.length;
    const point = (from, to) => {
      const share = at(from) / (at(from) - at(to)), between = (places, a, b) => places[a] + share * (places[b] - places[a]);
      return [X(between(first, Math.floor(from / count), Math.floor(to / count))), Y(between(second, from % count, to % count))];
    };
    const points = new Map(), cells = [];
    for (let i = 0; i + 1 < first.length; i++)
      for (let j = 0; j + 1 < count; j++) {
        const node = i * count + j, corners = [node, node + count, node + count + 1, node + 1];
        const edges = corners.map((corner, k) => [corner, corners[(k + 1) % 4]].sort((a, b) => a - b))
          .filter(([from, to]) => at(from) > 0 !== at(to) > 0);
        for (const [from, to] of edges) points.set(`${from} ${to}`, point(from, to));
        cells.push(edges.map(([from, to]) => `${from} ${to}`));
      }
    return { points, cells };
  }

  // The line on which values on a grid are zero, as a path: the pieces of neighbouring cells are joined where they meet,
  // so that a dash goes on from one to the next.
  function contour(values, grid, X, Y) {
    const { points, cells } = crossings(values, grid, X, Y);
    const meeting = new Map([...points.keys()].map((edge) => [edge, []]));
    for (const edges of cells)
      for (let k = 0; k + 1 < edges.length; k += 2) {
        meeting.get(edges[k]).push(edges[k + 1]);
        meeting.get(edges[k + 1]).push(edges[k]);
      }
    const part = (edge, other) => meeting.set(edge, meeting.get(edge).filter((one) => one !== other));
    const lines = [];
    // Ends first; what is left then are closed lines.
    for (const start of [...points.keys()].sort((a, b) => meeting.get(a).length - meeting.get(b).length))
      while (meeting.get(start).length) {
        const line = [start];
        for (let edge = start; meeting.get(edge).length; edge = line.at(-1)) {
          const [next] = meeting.get(edge);
          part(edge, next);
          part(next, edge);
          line.push(next);
        }
        lines.push("M" + line.map((edge) => points.get(edge).join(",")).join("L"));
      }
    return lines.join("");
  }

  // Where values on a grid are above zero, as a path: in each column of the grid a bar for each run of such places.
  function region(values, { first, second }, X, Y) {
    const [wide, high] = [X(first[1]) - X(first[0]), Y(second[0]) - Y(second[1])];
    const bars = [];
    first.forEach((across, i) => {
      const isAbove = second.map((_, j) => values[i * second.length + j] > 0);
      for (let j = 0; j < second.length; j++) {
        if (!isAbove[j] || isAbove[j - 1]) continue;
        const below = isAbove.indexOf(false, j), run = (below < 0 ? second.length : below) - j;
        bars.push(`M${X(across) - wide / 2},${Y(second[j]) + high / 2}v${-run * high}h${wide}v${run * high}z`);
      }
    });
    return bars.join("");
  }

  const shareOf = (values, test) => values.filter(test).length / values.length;

  mount("kd-four-neurons", (host, id) => {
    const read = (name) => JSON.parse(host.dataset[name]);
    const points = read("points"), labels = read("labels"), grid = read("grid"), teacher = read("teacher");
    const fresh = read("fresh"), sides = read("sides"), starts = read("starts"), stops = read("stops"), centre = read("centre");
    const targets = { hard: labels, soft: read("soft") }, widths = Object.keys(starts).map(Number);
    const lifted = (places) => places.map((place) => lift(place, centre));
    const places = { points: lifted(points), fresh: lifted(fresh),
      grid: lifted(grid.first.flatMap((first) => grid.second.map((second) => [first, second]))) };
    const ask = worker(output, descend, twoStudents);

    const svg = drawing(), told = reading(svg);
    const controls = element("div", { class: "kd-controls" });
    const kind = choice(controls, id, { name: "labels", words: "labels", options: { soft: "soft", hard: "hard" },
      value: host.dataset.chosen }, draw);
    const control = (name, words, values, value, show = shown) =>
      slider(controls, id, { name, words, min: 0, max: values.length - 1, step: 1, value: values.indexOf(value),
        show: (place) => show(values[place]) }, compute);
    const width = control("neurons", "neurons m", widths, read("neurons"));
    const start = control("start", "start", starts[widths[0]].map((_, i) => i), read("first"), (place) => `${place + 1}`);
    const updates = control("updates", "updates", stops, read("updates"));
    const keys = element("div", {});

    let students = null, size = 0;
    compute();

    function compute() {
      const { signs, rows } = starts[widths[width.value]][start.value];
      // Neurons come in pairs of one direction and opposite signs, so that the start is zero everywhere.
      const network = { signs: [...signs, ...signs.map((sign) => -sign)], start: [...rows, ...rows] };
      const descent = { step: read("step"), radius: read("radius"), updates: stops[updates.value] };
      ask({ network, inputs: places.points, targets, places, descent }, (found) => {
        if (!students) host.replaceChildren(svg, keys, controls, told.line);
        students = found;
        draw();
      });
    }

    const looks = () => {
      const chosen = kind.value, other = chosen === "soft" ? "hard" : "soft";
      return {
        [chosen]: { stroke: COLORS[chosen], "stroke-width": 3 },
        [other]: { stroke: COLORS[other], "stroke-width": 1.5, "stroke-dasharray": "3 4" },
      };
    };

    function draw() {
      if (!students) return;
      const height = Math.round(Math.max(300, 0.68 * size)), look = looks(), chosen = kind.value;
      resize(svg, size, height);
      const [X, Y] = axes(svg, size, height, { values: grid.first, name: "x₁" }, { values: grid.second, name: "x₂" });
      const above = region(students[chosen].grid, grid, X, Y);
      shape(svg, "path", { d: above, fill: COLORS[chosen], "fill-opacity": 0.12 });
      points.forEach(([first, second], i) => mark(X(first), Y(second), labels[i]));
      shape(svg, "path", { d: contour(teacher, grid, X, Y), fill: "none", ...TEACHER });
      for (const [name, line] of Object.entries(look))
        shape(svg, "path", { d: contour(students[name].grid, grid, X, Y), fill: "none", "data-labels": name, ...line });
      keys.replaceChildren(legend([
        ...Object.entries(look).map(([name, line]) => ({ words: `${name} labels`, ...line })),
        { words: "the teacher", ...TEACHER },
      ]));
      tell(chosen);
    }

    // A ring for label 0, a triangle for label 1.
    function mark(x, y, label) {
      const look = { fill: label ? "var(--kd-ink)" : "none", stroke: "var(--kd-ink)", "stroke-width": 1.2, "fill-opacity": 0.55 };
      if (label) polyline(svg, [`${x},${y - 5}`, `${x + 4.5},${y + 3.5}`, `${x - 4.5},${y + 3.5}`, `${x},${y - 5}`], look);
      else shape(svg, "circle", { cx: x, cy: y, r: 3.8, ...look });
    }

    function shares(name) {
      const student = students[name];
      return {
        trained: shareOf(student.points, (f, i) => (f > 0) === (labels[i] > 0)),
        unseen: shareOf(student.fresh, (f, i) => (f > 0) === (sides[i] > 0)),
        away: shareOf(student.grid, (f, i) => (f > 0) !== (teacher[i] > 0)),
      };
    }

    function tell(chosen) {
      const other = chosen === "soft" ? "hard" : "soft", own = shares(chosen), others = shares(other), n = points.length;
      for (const [name, share] of Object.entries(own)) host.dataset[name] = share;
      told.say(
        `${widths[width.value]} neurons after ${shown(stops[updates.value])} updates. With ${chosen} labels they are right on ` +
        `${Math.round(own.trained * n)} of the ${n} points and on ${percent(own.unseen)} of ${fresh.length} fresh ones, and ` +
        `decide against their teacher on ${percent(own.away)} of the plane; with ${other} labels on ` +
        `${Math.round(others.trained * n)}, ${percent(others.unseen)} and ${percent(others.away)}.`
      );
    }

    return (wide) => { size = wide; draw(); };
  });

  Object.assign(window.kdlib, { descend, contour });
})();
