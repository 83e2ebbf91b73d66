// A password is set by a link: of an invitation, or of a reset. The secret stands behind the #, which browsers do not send
// to a server, and is taken out of the address as soon as it is known.
const $ = (selector) => document.querySelector(selector);
const token = new URLSearchParams(location.hash.slice(1)).get("token") ?? "";
const isInvitation = location.pathname === "/invitation";
history.replaceState(null, "", location.pathname);

const OPEN = isInvitation
  ? `query Open($token: String!) { link: openInvitation(token: $token) {
      organizationName legalName login: email passwordLengthMin passwordClassesMin } }`
  : `query Open($token: String!) { link: openPasswordReset(token: $token) {
      login: email passwordLengthMin passwordClassesMin } }`;
const SET = isInvitation
  ? `mutation Set($input: AcceptInvitationInput!) { done: acceptInvitation(input: $input) { errors { message } } }`
  : `mutation Set($input: CompletePasswordResetInput!) { done: completePasswordReset(input: $input) { errors { message } } }`;

async function ask(query, variables) {
  const response = await fetch("/graphql", {
    method: "POST",
    headers: { "content-type": "application/json" },
    body: JSON.stringify({ query, variables }),
  });
  const { data, errors } = await response.json();
  if (errors?.length) throw new Error(errors[0].message);
  return data;
}

function tell(title, message = "") {
  $("#title").textContent = title;
  $("#message").textContent = message;
}

async function open() {
  const { link } = await ask(OPEN, { token });
  if (!link) return tell("This link does not open any more", "Ask for a new one.");
  const kinds = link.passwordClassesMin > 1
    ? ` and ${link.passwordClassesMin} of small letters, capitals, digits and signs` : "";
  tell(
    isInvitation ? `Welcome to ${link.organizationName}` : "A new password",
    `At least ${link.passwordLengthMin} characters${kinds}. Several unrelated words do well.`,
  );
  $("#name-row").hidden = !isInvitation;
  $("#name").disabled = !isInvitation;
  $("#name").value = link.legalName ?? "";
  $("#login").value = link.login;
  $("#password").minLength = link.passwordLengthMin;
  $("form").hidden = false;
}

$("form").addEventListener("submit", async (event) => {
  event.preventDefault();
  const password = $("#password").value;
  if (password !== $("#again").value) return tell($("#title").textContent, "The two passwords differ.");
  const input = isInvitation ? { token, password, legalName: $("#name").value } : { token, password };
  $("button").disabled = true;
  try {
    const { done } = await ask(SET, { input });
    if (done.errors.length) return tell($("#title").textContent, done.errors[0].message);
    $("form").hidden = true;
    tell("Your password is set", "You can sign in with it now.");
  } catch (problem) {
    tell($("#title").textContent, problem.message);
  } finally {
    $("button").disabled = false;
  }
});

open().catch((problem) => tell("Something went wrong", problem.message));
