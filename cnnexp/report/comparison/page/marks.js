// How rows and runs are drawn, alike in every chart: the colour of a row, the symbol of how a run ended.

/** The colour of a row, in every chart; beyond as many rows as there are colours a line is also dashed. */
export function colorOf(group, colors) {
  return colors.series[group.place % colors.series.length];
}

export function dashOf(group, colors) {
  return ["solid", "dash", "dot"][Math.floor(group.place / colors.series.length) % 3];
}

// how a run is drawn that learned, that was pruned, and that learned nothing or did not finish
const LEARNED = { symbol: "circle", words: "learned", sign: "●" };
const PRUNED = { symbol: "triangle-down-open", words: "pruned", sign: "▽" };
const USELESS = { symbol: "x-thin-open", words: "learned nothing or did not finish", sign: "×" };

function kindOf(data, run) {
  if (data.runs.status[run] === "pruned") return PRUNED;
  return data.runs.status[run] !== "finished" || data.runs.learned_nothing[run] !== "" ? USELESS : LEARNED;
}

/** The marker of each run: its symbol says how it ended, its colour its row as long as there are colours for all. */
export function markerOf(data, view, runs, colors) {
  const ofRun = new Map(view.groups.flatMap((group) => group.runs.map((run) => [run, group])));
  const isFew = hasRowColors(view, colors);
  const isLit = (run) => view.lit.size === 0 || view.lit.has(run);
  const plain = (run) => (view.lit.has(run) ? colors.lit : colors.best);
  return {
    size: 9,
    symbol: runs.map((run) => kindOf(data, run).symbol),
    color: runs.map((run) => (isFew ? colorOf(ofRun.get(run), colors) : plain(run))),
    opacity: runs.map((run) => (isLit(run) ? 0.85 : 0.2)),
    line: { width: runs.map((run) => (kindOf(data, run) === LEARNED ? 0 : 2)) },
  };
}

/** What the symbols of `runs` mean, and the colours. */
export function keyOf(data, view, runs, colors) {
  const kinds = [LEARNED, PRUNED, USELESS].filter((kind) => runs.some((run) => kindOf(data, run) === kind));
  const neutral = hasRowColors(view, colors) ? colors.quiet : colors.best;
  return kinds.map(({ words, sign }) => [neutral, words, sign]);
}

/** Whether there are as many colours as rows. */
export function hasRowColors(view, colors) {
  return view.groups.length <= colors.series.length && view.groups.every(({ place }) => place < colors.series.length);
}
