// Shows a new API key once, and copies it.

import "./api_forms.js";

const form = document.getElementById("create-key");
const shown = document.getElementById("new-key");
const token = document.getElementById("new-key-token");

form.addEventListener("answered", (event) => {
  token.textContent = event.detail.key;
  shown.hidden = false;
  shown.scrollIntoView({ block: "nearest" });
  form.reset();
});

document.getElementById("copy-key").addEventListener("click", () => {
  navigator.clipboard?.writeText(token.textContent);
});
