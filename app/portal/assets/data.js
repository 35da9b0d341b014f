// Documents that the page brings along.

export function pageData(id) {
  return JSON.parse(document.getElementById(id).textContent);
}
