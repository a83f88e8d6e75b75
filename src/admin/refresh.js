// Replaces the live part of the page every three seconds. Without JavaScript the page reloads itself.
"use strict";
setInterval(async () => {
  if (document.hidden) return;
  const live = document.getElementById("live");
  try {
    const answer = await fetch("/live");
    if (answer.ok) live.innerHTML = await answer.text();
    live.removeAttribute("aria-busy");
  } catch {
    live.setAttribute("aria-busy", "true");
    document.getElementById("connection").textContent = "the gateway does not answer";
  }
}, 3000);
