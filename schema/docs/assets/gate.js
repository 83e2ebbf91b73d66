// Signs in as the live page does, then shows what this address gives with the session's token.
import { SessionEnded, signIn, signInFromLink, stored, token } from "/assets/session.js";

const form = document.getElementById("sign-in");
const said = form.querySelector("output");

function ask(message = "") {
  form.hidden = false;
  said.textContent = message;
}

async function show() {
  const response = await fetch(location.href, {
    headers: { authorization: `Bearer ${await token()}`, accept: "text/html" },
  });
  if (response.status === 401) throw new SessionEnded();
  const text = await response.text();
  if (!response.ok) return ask(text.trim());
  const page = new DOMParser().parseFromString(text, "text/html");
  document.title = page.title;
  document.body.replaceWith(page.body);
  await import("/docs/assets/docs.js");
  if (location.hash) document.getElementById(location.hash.slice(1))?.scrollIntoView();
}

form.addEventListener("submit", async (event) => {
  event.preventDefault();
  const { email, password } = Object.fromEntries(new FormData(form));
  try {
    await signIn(email, password);
    await show();
  } catch (problem) {
    ask(problem.message);
  }
});

try {
  await signInFromLink();
  if (stored()) await show();
  else ask();
} catch (problem) {
  ask(problem.message);
}
