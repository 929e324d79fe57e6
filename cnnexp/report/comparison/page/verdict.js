// The verdict: of all runs as the command line prints it; of a choice of runs computed here, marked as exploratory.

import { element, plural } from "#dom";
import { chosenByResult } from "#selection";
import { claimedEffects, headline, interactionWords } from "#headline";
import { effectSentence } from "#wording";

export function verdictView(data) {
  const head = document.getElementById("verdict");
  const whole = [...head.childNodes];
  const update = (view) => {
    const isOwn =
      data.running !== null ||
      (view.isWhole &&
        view.metric.name === data.metric &&
        JSON.stringify(view.state.by ?? data.by) === JSON.stringify(data.by));
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
  return { update };
}

function sentencesOf({ comparison, data, runs }) {
  if (comparison === null) return ["No run that is left can be compared."];
  const effects = comparison.refused ? [] : claimedEffects(comparison).slice(0, 5);
  const interactions = comparison.scoreInteractions.slice(0, 3).map((one) => interactionWords(one, comparison.metric));
  const answer = headline(data, runs, comparison);
  return [
    answer,
    ...effects.map((effect) => effectSentence(effect, comparison.metric)),
    ...interactions
      .map((words) => `${words[0].toUpperCase()}${words.slice(1)}`)
      .filter((words) => !answer.includes(words))
      .map((words) => `${words}.`),
  ];
}
