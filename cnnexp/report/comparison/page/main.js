// The page: reads its document, keeps one state, and tells every view when it changes.

import { loadPlotly } from "#charts";
import { controls } from "#filters";
import { readData } from "#data";
import { differencesView } from "#differences";
import { element } from "#dom";
import { curvesView } from "#curves";
import { findingsView } from "#findings";
import { heatmapView } from "#heatmap";
import { historyChart, isSearch, searchView } from "#history";
import { importanceView } from "#importance";
import { pairsView } from "#pairs";
import { parallelChart } from "#parallel";
import { picturesView } from "#pictures";
import { scatterView } from "#scatter";
import { shareView } from "#share";
import { slicesView } from "#slices";
import { fromHash, State, toHash } from "#state";
import { aWhile, finished } from "#steps";
import { tableView } from "#table";
import { verdictView } from "#verdict";
import { viewer } from "#view";
import { waysView } from "#ways";
import { onWidth } from "#width";

const data = readData(JSON.parse(document.getElementById("data").textContent));
const state = new State(fromHash(location.hash, data));
const viewOf = viewer(data);
const parts = []; // of the page: {view, section, isVisible, isStale}
let computing = null; // what the parts will show next, as far as it is computed
let now = null; // what they show
let drawing = null; // steps of a part that is drawn now
let isDrawing = false;

/** Put a view into its section of the page, instead of what stands there for readers without scripts. */
function mount(id, view) {
  const place = document.getElementById(id);
  const section = place.closest("section");
  const part = { view, isVisible: false, isStale: true };
  place.replaceChildren(view.node);
  section.hidden = false;
  parts.push(part);
  new IntersectionObserver(
    (entries) => {
      part.isVisible = entries.at(-1).isIntersecting;
      drawNext();
    },
    { rootMargin: "300px" },
  ).observe(section);
}

const verdict = verdictView(data);
const hasEnded = data.running === null; // before the end nothing is tested
mount("ways", waysView());
mount("controls", controls(data, state));
mount("table", tableView(data, state));
if (hasEnded && data.settings.length) mount("differences", differencesView());
mount("parallel", parallelChart(data, state));
if (Object.keys(data.curves).length) mount("curves", curvesView(data, state));
mount("scatter", scatterView(data, state));
if (data.settings.length > 1) mount("heatmap", heatmapView(data, state));
if (hasEnded && data.importance.length) mount("importance", importanceView(data));
if (data.answers) mount("pairs", pairsView(data, state));
if (hasEnded && data.answers?.parts.length) mount("slices", slicesView(data));
if (data.answers) mount("pictures", picturesView(data, state));
mount("history", historyChart(data, state));
if (isSearch(data)) mount("search", searchView(data));
mount("findings", findingsView(data));
mount("share", shareView(data));

/** Compute again what a reader has chosen, a little in each frame, then draw what is seen, one part a frame. */
function show() {
  computing = viewOf(state.values);
  document.documentElement.removeAttribute("data-settled"); // set when all that is seen is drawn
  drawNext();
}

function drawNext() {
  if (isDrawing) return;
  isDrawing = true;
  requestAnimationFrame(() => {
    isDrawing = false;
    if (computing !== null) compute(aWhile(computing));
    else if (drawing !== null) {
      if (aWhile(drawing).done) drawing = null;
    } else {
      const part = parts.find(({ isStale, isVisible }) => isStale && isVisible);
      document.documentElement.toggleAttribute("data-settled", part === undefined);
      if (part === undefined) return;
      drawing = draw(part);
    }
    drawNext();
  });
}

function compute({ value, done }) {
  verdict.wait(!done);
  if (!done) return;
  computing = null;
  now = value;
  drawing = null;
  verdict.update(now);
  for (const scope of document.querySelectorAll(".scope")) scope.hidden = now.isWhole; // what is not computed again
  for (const part of parts) part.isStale = true;
}

/** Draw a part; one that computes first does so in steps, which are returned. */
function draw(part) {
  part.isStale = false;
  return part.view.update(now) ?? null;
}

state.subscribe(() => {
  show();
  if (location.protocol !== "about:")
    history.replaceState(null, "", toHash(state.values) || location.pathname + location.search);
});
show();

matchMedia("(prefers-color-scheme: dark)").addEventListener("change", show);
onWidth(show);
addEventListener("beforeprint", () => {
  document.documentElement.dataset.printed = ""; // paper is light, and has every part
  if (computing !== null) compute({ value: finished(computing), done: true });
  for (const part of parts) finished(draw(part) ?? [].values());
});
addEventListener("afterprint", () => {
  delete document.documentElement.dataset.printed;
  show();
});

loadPlotly().then(
  () => {
    document.documentElement.dataset.ready = "";
    show();
  },
  (error) => {
    for (const plot of document.querySelectorAll(".plot"))
      plot.replaceChildren(element("p", {}, `Charts cannot be drawn here: ${error.message}.`));
  },
);

// The page of a running sweep asks its server whether a run has begun or ended, and then loads itself again; the address
// keeps what is chosen.
if (data.running !== null && location.protocol === "http:") {
  setInterval(async () => {
    try {
      const answer = await fetch("/version");
      if (answer.ok && (await answer.text()) !== data.running.version) location.reload();
    } catch {
      // the server has ended: what is shown stays
    }
  }, 3000);
}
