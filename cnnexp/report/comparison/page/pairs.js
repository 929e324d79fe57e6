// Two models on the same images: their confusion matrices, the difference, the scores of each class.

import { Chart, escaped, tick, oneByOne } from "#charts";
import { choice, element, plural } from "#dom";
import { writtenOn } from "#contrast";
import { colorOf } from "#marks";
import { accuracyDifference, mcNemarMidP } from "#statistics";
import { SEEDS_FOR_A_VERDICT } from "#seeds";
import { gainText, pText, STANDINGS, unitText } from "#wording";

const WRITTEN = 20; // classes, up to which every cell has its number
const OTHERS = 2; // seeds of a row of which something is said
const CLASSES = 40; // in the chart of scores: those that differ most
const ACCURACY = { name: "test/accuracy", is_share: true };

/** A model by its row and seed. */
export function modelLabel(view, run) {
  if (view.settings.length === 0) return view.data.runs.name[run];
  const group = view.groups.find(({ runs }) => runs.includes(run));
  const label = group?.label ?? view.data.runs.name[run];
  return (group?.runs.length ?? 1) > 1 ? `${label}, seed=${view.data.runs.seed[run].slice(0, 12)}` : label;
}

/** The two models: those a reader chose, else the best of the lit rows, else of the first two whose answers are here. */
export function pairOf(view) {
  const { answers } = view.data;
  const here = (run) => answers.of(run) !== undefined;
  const lit = view.groups.filter(({ runs }) => runs.some((run) => view.lit.has(run)));
  const best = [...new Set([...lit, ...view.groups])]
    .map((group) => (group.row && here(group.row.bestRun) ? group.row.bestRun : group.runs.find(here)))
    .filter((run) => run !== undefined);
  const usual = [...best, ...answers.runs.filter((run) => !best.includes(run))];
  const [first, second] = view.state.pair ?? [];
  return [
    here(first) ? first : usual[0],
    here(second) ? second : (usual.find((run) => run !== (here(first) ? first : usual[0])) ?? usual[0]),
  ];
}

/** How the two models came to be these. */
function howChosen({ data, groups, lit, state, comparison }) {
  if (state.pair?.some((run) => data.answers.of(run) !== undefined)) return "Chosen by you.";
  if (groups.length < 2) return "Two runs of one row.";
  const best = comparison?.objective ? "The best run on validation" : "One run";
  const marked = groups.filter(({ runs }) => runs.some((run) => lit.has(run))).length;
  const rows = ["the first two rows", "the marked row and the first other one"][marked] ?? "the first two marked rows";
  return `${best} of each of ${rows} of the table.`;
}

function confusionOf(data, run) {
  const size = data.answers.class_names.length;
  const counts = Array.from({ length: size }, () => new Array(size).fill(0));
  const { predicted } = data.answers.of(run);
  data.answers.labels.forEach((label, image) => (counts[label][predicted[image]] += 1));
  return counts;
}

export function pairsView(data, state) {
  const bar = element("div", { class: "bar" });
  const summary = element("p", {});
  const seeds = element("p", { class: "quiet" });
  const alone = element("p", { class: "quiet" });
  const names = data.answers.class_names;
  const matrices = [0, 1, 2].map(
    (place) =>
      new Chart(["confusion-first", "confusion-second", "confusion-difference"][place], {
        height: 360,
        draw: (view, colors) => matrixOf(data, view, colors, place),
      }),
  );
  const titles = [0, 1, 2].map(() => element("h3"));
  const scores = new Chart("class-scores", {
    draw: (view, colors) => scoresOf(data, view, colors),
    height: 90 + 22 * Math.min(CLASSES, names.length),
  });
  const scoreBar = element("div", { class: "bar" });
  const update = (view) => {
    const pair = pairOf(view);
    const options = data.answers.runs.map((run) => [run, modelLabel(view, run)]);
    const set = (place) => (run) =>
      state.set({ pair: pair.map((own, index) => (index === place ? Number(run) : own)) });
    bar.replaceChildren(choice("first", options, pair[0], set(0)), choice("second", options, pair[1], set(1)));
    summary.textContent = `${howChosen(view)} ${summaryOf(data, pair)}${overSeeds(view, pair)}`;
    seeds.textContent = seedsText(view, pair, (other) => `${wrongOf(data, other)} wrong, most often ${mostOften(data, other)}`);
    alone.textContent = seedsText(view, pair);
    titles[0].textContent = modelLabel(view, pair[0]);
    titles[1].textContent = modelLabel(view, pair[1]);
    titles[2].textContent = "Second minus first: green is better, red worse";
    scoreBar.replaceChildren(
      choice(
        "score",
        [
          ["recall", "recall"],
          ["precision", "precision"],
          ["f1", "F1"],
        ],
        view.state.score,
        (score) => state.set({ score }),
      ),
    );
    return oneByOne([...matrices, scores], view);
  };
  const three = element(
    "div",
    { class: "three" },
    ...matrices.map((chart, place) => element("div", {}, titles[place], chart.node)),
  );
  const ofClasses = element("h3", {}, "Scores of each class");
  const node = element("div", {}, bar, summary, seeds, three, ofClasses, alone, scoreBar, scores.node);
  return { node, update };
}

/** What two models get wrong, and whether one is better on these images. */
function summaryOf(data, pair) {
  const [first, second] = pair.map((run) => data.answers.of(run).right);
  const images = data.answers.images;
  const counts = { both: 0, first: 0, second: 0 }; // wrong
  for (let image = 0; image < images; image++) {
    if (!first[image] && !second[image]) counts.both += 1;
    else if (!first[image]) counts.first += 1;
    else if (!second[image]) counts.second += 1;
  }
  const wrong = [counts.both + counts.first, counts.both + counts.second];
  const often = pair.map((run, place) => `${mostOften(data, run)} by the ${["first", "second"][place]}`).join(", ");
  const said = `Of ${plural(images, "image")} the first gets ${wrong[0]} wrong, the second ${wrong[1]}, both ${counts.both}. Most often ${often}.`;
  if (data.running !== null) return said; // nothing is tested before the end of a sweep
  const gain = gainText(accuracyDifference(counts.first, counts.second, images), ACCURACY);
  const p = pText(mcNemarMidP(counts.first, counts.second));
  return `${said} Second minus first: ${gain} points (McNemar, ${p}, of these two models alone).`;
}

/** What is known of the settings of the two models, where one of them is the reference. */
function overSeeds({ groups, data, metric }, pair) {
  const [first, second] = pair.map((run) => groups.find(({ runs }) => runs.includes(run))?.row);
  const gain = second?.overSeeds?.gain;
  if (data.running !== null || first?.standing !== "reference" || !gain) return "";
  const few = gain.n < SEEDS_FOR_A_VERDICT ? `, no verdict: it needs ${SEEDS_FOR_A_VERDICT}` : `, ${STANDINGS[second.standing]}`;
  return ` Their settings in ${metric.name}: ${gainText(gain, metric)} ${unitText(metric)} (${plural(gain.n, "seed")}${few}).`;
}

/** Which seed of its settings each model is, and what `told` says of its other seeds; empty where there are no others. */
export function seedsText(view, pair, told = null) {
  const { answers, runs } = view.data;
  const said = pair.map((run, place) => {
    const own = view.groups.find((group) => group.runs.includes(run))?.runs ?? [];
    const others = own.filter((other) => other !== run && answers.of(other) !== undefined);
    if (others.length === 0) return "";
    const each = told ? others.slice(0, OTHERS).map((other) => `seed ${runs.seed[other].slice(0, 12)}: ${told(other)}`) : [];
    const rest = told && others.length > OTHERS ? [`${others.length - OTHERS} more`] : [];
    const beside = told ? ` (${[...each, ...rest].join("; ")})` : "";
    return `the ${["first", "second"][place]} is seed ${runs.seed[run].slice(0, 12)} alone${beside}`;
  });
  const known = said.filter(Boolean);
  return known.length ? `One seed of each setting: ${known.join(", ")}. Other seeds can be chosen as first and second.` : "";
}

function wrongOf(data, run) {
  return data.answers.of(run).right.filter((right) => !right).length;
}

function mostOften(data, run) {
  const names = data.answers.class_names;
  const mistakes = confusionOf(data, run).flatMap((line, i) => line.map((count, j) => [i === j ? 0 : count, i, j]));
  const [count, i, j] = mistakes.reduce((most, one) => (one[0] > most[0] ? one : most));
  return count ? `${names[i]} is taken for ${names[j]} (${count})` : "nothing is mistaken";
}

function matrixOf(data, view, colors, place) {
  const names = data.answers.class_names;
  const pair = pairOf(view);
  const [first, second] = pair.map((run) => confusionOf(data, run));
  const isDifference = place === 2;
  const counts = isDifference
    ? second.map((line, i) => line.map((count, j) => count - first[i][j]))
    : [first, second][place];
  const totals = first.map((line) =>
    Math.max(
      1,
      line.reduce((sum, count) => sum + count, 0),
    ),
  );
  // right answers blue and mistakes orange; in the difference, what got better green and worse red
  const shade = (count, i, j) => (isDifference ? (i === j ? count : -count) : i === j ? count : -count) / totals[i];
  const z = counts.map((line, i) => line.map((count, j) => shade(count, i, j)));
  const largest = isDifference ? Math.max(...z.flat().map(Math.abs), 1e-9) : 1;
  const [low, high] = isDifference ? [colors.bad, colors.good] : [colors.low, colors.high];
  const colorscale = [
    [0, low],
    [0.5, colors.card],
    [1, high],
  ];
  const textsOf = (line) => line.map((count) => (count ? (isDifference && count > 0 ? `+${count}` : String(count)) : ""));
  const written = names.length <= WRITTEN;
  const places = names.map((_, index) => index);
  const ticks = written
    ? { tickvals: places, ticktext: names.map((name) => tick(name, 14)) }
    : { showticklabels: false };
  return {
    label: isDifference
      ? "difference of the two confusion matrices"
      : `confusion matrix of ${modelLabel(view, pair[place])}: ${plural(trace(counts), "image")} of ${data.answers.images} right`,
    rows: counts.flatMap((line, i) =>
      line.flatMap((count, j) => (count ? [{ true: names[i], predicted: names[j], images: count }] : [])),
    ),
    traces: [
      {
        type: "heatmap",
        z,
        x: places,
        y: places,
        zmin: -largest,
        zmax: largest,
        colorscale,
        showscale: false,
        xgap: 1,
        ygap: 1,
        customdata: counts.map((line, i) =>
          line.map((count, j) => `${escaped(names[i])} taken for ${escaped(names[j])}: ${count}`),
        ),
        hovertemplate: "%{customdata}<extra></extra>",
      },
      ...(written ? [writtenOn(z, counts.map(textsOf), colorscale, -largest, largest)] : []),
    ],
    layout: {
      margin: { l: 40, r: 6, t: 6, b: 40 },
      xaxis: { title: "predicted", ...ticks, tickangle: -45, showgrid: false, zeroline: false },
      yaxis: { title: "true", ...ticks, autorange: "reversed", showgrid: false, zeroline: false },
    },
  };
}

function trace(counts) {
  return counts.reduce((sum, line, index) => sum + line[index], 0);
}

function scoresOf(data, view, colors) {
  const names = data.answers.class_names;
  const kind = view.state.score;
  const pair = pairOf(view);
  const values = pair.map((run) => classScores(confusionOf(data, run), kind));
  const order = names
    .map((_, index) => index)
    .filter((index) => values.some((own) => own[index] !== null))
    .sort((one, other) => Math.abs(values[1][one] - values[0][one]) - Math.abs(values[1][other] - values[0][other]))
    .slice(-CLASSES);
  const groups = pair.map((run) => view.groups.find(({ runs }) => runs.includes(run)));
  const own = groups.map((group) => (group ? colorOf(group, colors) : colors.quiet)); // a model of a run that was left out
  const label = (index) => tick(names[index], 14);
  const y = order.map((_, place) => place);
  const dots = (place, marker) => ({
    type: "scatter",
    mode: "markers",
    name: escaped(modelLabel(view, pair[place])),
    x: order.map((index) => values[place][index]),
    y,
    marker,
    cliponaxis: false,
    customdata: order.map((index) => escaped(names[index])),
    hovertemplate: "%{customdata}: %{x:.3f}<extra></extra>",
  });
  const links = {
    type: "scatter",
    mode: "lines",
    showlegend: false,
    hoverinfo: "skip",
    line: { color: colors.line, width: 3 },
    x: order.flatMap((index) => [values[0][index], values[1][index], null]),
    y: y.flatMap((place) => [place, place, null]),
  };
  return {
    label: `${kind} of each class under ${pair.map((run) => modelLabel(view, run)).join(" and ")}`,
    rows: [...order].reverse().map((index) => ({
      class: names[index],
      [`${kind} first`]: values[0][index],
      [`${kind} second`]: values[1][index],
    })),
    // a ring around a diamond: where the two scores are equal, both are seen
    traces: [
      links,
      dots(0, { size: 14, symbol: "circle-open", color: own[0], line: { width: 2.5 } }),
      dots(1, { size: 8, symbol: "diamond", color: own[1] }),
    ],
    key: own.map((color, place) => [color, modelLabel(view, pair[place]), ["○", "◆"][place]]),
    layout: {
      hovermode: "closest",
      legend: { orientation: "h", y: -0.2 },
      xaxis: { title: kind },
      yaxis: { tickvals: y, ticktext: order.map(label), range: [-0.7, order.length - 0.3], showgrid: true },
    },
  };
}

function classScores(counts, kind) {
  return counts.map((line, index) => {
    const right = line[index];
    const isTrue = line.reduce((sum, count) => sum + count, 0);
    const said = counts.reduce((sum, other) => sum + other[index], 0);
    const share = (of) => (of ? right / of : null);
    if (kind === "recall") return share(isTrue);
    if (kind === "precision") return share(said);
    return isTrue + said ? (2 * right) / (isTrue + said) : null;
  });
}
