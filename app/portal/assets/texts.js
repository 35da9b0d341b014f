// English texts that the page hands to its scripts.

const element = document.getElementById("texts");

export const texts = element === null ? {} : JSON.parse(element.textContent);

// Returns a text with the values of its {names}.
export function filled(text, values) {
  return text.replace(/\{(\w+)\}/g, (whole, name) => (name in values ? String(values[name]) : whole));
}

export function shortTime(time) {
  return new Date(time).toLocaleString([], { dateStyle: "medium", timeStyle: "short" });
}
