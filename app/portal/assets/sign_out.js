// Forgets at sign-out which files this browser was sending: the next person would read their names.

const STORED_BY_TUS = "tus::";

document.querySelector('form[action="/sign-out"]').addEventListener("submit", () => {
  for (const key of Object.keys(localStorage)) if (key.startsWith(STORED_BY_TUS)) localStorage.removeItem(key);
});
