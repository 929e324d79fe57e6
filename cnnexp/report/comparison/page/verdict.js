// The verdict: of all runs as the command line prints it; of a choice of runs computed here, marked as exploratory.

import { element, keepHeight, plural } from "#dom";
import { endings } from "#columns";
import { chosenByResult, LEFT_OUT } from "#selection";
import { claimedEffects, failureWords, headline, interactionWords } from "#headline";
import { effectSentence } from "#wording";
import { bestSoFar } from "#words";

const MOST_INTERACTIONS = 3; // that are said

export function verdictView(data) {
  const head = document.getElementById("verdict");
  const whole = [...head.childNodes];
  const update = (view) => {
    const isOwn =
      data.running !== null ||
      (view.isWhole &&
        view.metric.name === data.metric &&
        JSON.stringify(view.state.by ?? data.by) === JSON.stringify(data.by));
    keepHeight(head, isOwn);
    if (isOwn) return head.replaceChildren(...whole);
    const why = view.isWhole
      ? "Computed again for another metric or grouping"
      : `Computed again for ${plural(view.runs.length, "run")} of ${data.count}, chosen after looking: exploratory`;
    const [answer, ...rest] = sentencesOf(view);
    const caution = chosenByResult(data, view.state)
      ? [
          element(
            "p",
            { class: "caution" },
            "These runs were chosen by their results. That makes differences where there are none, so this claims nothing.",
          ),
        ]
      : [];
    head.replaceChildren(
      element("div", { class: "eyebrow exploratory" }, `${why}.`),
      element("h1", {}, answer),
      ...rest.map((sentence) => element("p", {}, sentence)),
      ...caution,
    );
  };
  /** Dim the old verdict while a new one is computed for longer than a frame. */
  const wait = (isComputing) => head.toggleAttribute("data-waiting", isComputing);
  return { update, wait };
}

function sentencesOf({ comparison, data, runs }) {
  if (comparison === null) return ["No run shown can be compared."];
  const effects = comparison.refused ? [] : claimedEffects(comparison).slice(0, 5);
  const interactions = comparison.scoreInteractions.slice(0, MOST_INTERACTIONS);
  const answer = headline(data, runs, comparison);
  return [
    answer,
    ...[bestSoFar(comparison)].filter(Boolean),
    ...countsOf(data, runs),
    ...comparison.failureInteractions.slice(0, MOST_INTERACTIONS).map((one) => sentence(failureWords(one))),
    ...modelsElsewhere(comparison),
    ...effects.map((effect) => effectSentence(effect, comparison.metric)),
    ...interactions
      .map((one) => sentence(interactionWords(one, comparison.metric)))
      .filter((words) => !answer.includes(words.slice(0, -1))),
  ];
}

function sentence(words) {
  return `${words[0].toUpperCase()}${words.slice(1)}.`;
}

/** How many runs learned, and what became of the others; nothing where all learned. */
function countsOf(data, runs) {
  const found = new Map();
  for (const run of runs) {
    const how = endings(data, [run]) || "learned";
    found.set(how, (found.get(how) ?? 0) + 1);
  }
  const learned = found.get("learned") ?? 0;
  found.delete("learned");
  const isNothing = ([how]) => how === "diverged" || !LEFT_OUT.has(how);
  const said = ([how, count]) => `${count} ${how}`;
  const nothing = [...found].filter(isNothing);
  const total = nothing.reduce((sum, [, count]) => sum + count, 0);
  const others = [
    ...(total ? [`${total} learned nothing (${nothing.map((one) => (one[1] === total ? one[0] : said(one))).join(", ")})`] : []),
    ...[...found].filter((one) => !isNothing(one)).map(said),
  ]
    .map((text) => `, ${text}`)
    .join("");
  return others ? [`${plural(runs.length, "run")}: ${learned} learned${others}.`] : [];
}

/** Single models are tested on their images where the metric is one that the page has a test for. */
function modelsElsewhere({ rows, metric, data }) {
  const areSingle = rows.length > 1 && rows[0].runs.length === 1;
  if (!areSingle || !data.answers || metric.name === "test/accuracy") return [];
  return [`Trained models are tested here in test/accuracy, in ${metric.name} on the command line alone.`];
}
