// The live list of jobs.

import { pageData } from "./data.js";
import { makeCard, show } from "./job_card.js";
import { listen } from "./live.js";

const list = document.getElementById("jobs");
const empty = document.getElementById("empty");

function add(job, newest) {
  const item = document.createElement("li");
  item.append(
    makeCard(job, () => {
      item.remove();
      empty.hidden = list.children.length > 0;
    }),
  );
  if (newest) list.prepend(item);
  else list.append(item);
  empty.hidden = true;
}

for (const job of pageData("activities")) add(job, false);

listen("/v1/jobs/events", list.dataset.after, {
  job(job) {
    const card = document.getElementById(job.id);
    if (card !== null) show(card, job);
    else if (list.dataset.first === "yes") add(job, true);
  },
});
