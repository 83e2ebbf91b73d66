// Asks for a second factor in a dialog of its own, on whatever page somebody signs in.
const RECOVERY = "recovery";
const BOX = "box-sizing: border-box";
const CODES = new Set(["SMS", "EMAIL"]);

function field(label, control) {
  const made = document.createElement("label");
  made.style.cssText = "display: grid; gap: .25rem; font-weight: 600";
  control.style.cssText = `${BOX}; font: inherit; font-weight: 400; padding: .5rem .65rem; width: 100%`;
  made.append(label, control);
  return made;
}

function button(text, type = "submit") {
  return Object.assign(document.createElement("button"), { textContent: text, type });
}

function choices({ methods, passkeyOptions }) {
  const usable = methods.filter((one) => one.kind !== "WEBAUTHN" || (passkeyOptions && window.PublicKeyCredential));
  const made = usable.map((one) => new Option(one.hint ? `${one.name} (${one.hint})` : one.name, one.id));
  return [...made, new Option("A recovery code", RECOVERY)];
}

async function signed(options) {
  const publicKey = PublicKeyCredential.parseRequestOptionsFromJSON(options);
  return (await navigator.credentials.get({ publicKey })).toJSON();
}

// Resolves with what `complete(answer)` gives once an answer is good; rejects when the dialog is closed.
export function askForFactor(challenge, { complete, send }) {
  const dialog = document.createElement("dialog");
  const form = document.createElement("form");
  dialog.style.cssText = `${BOX}; width: min(24rem, 92vw); padding: 1.5rem; border: 0; border-radius: 12px`;
  form.style.cssText = "display: grid; gap: .75rem";
  const method = document.createElement("select");
  const code = Object.assign(document.createElement("input"), { autocomplete: "one-time-code", required: true });
  const sender = button("Send a code", "button");
  const said = document.createElement("output");
  said.setAttribute("role", "alert");
  said.style.minHeight = "1.4em";
  const title = Object.assign(document.createElement("h2"), { textContent: "One step is left" });
  title.style.cssText = "margin: 0; padding: 0";
  const leave = button("Cancel", "button");
  leave.style.cssText = "background: none; color: inherit; text-decoration: underline";
  const row = field("Code", code);
  method.append(...choices(challenge));
  form.append(title, field("With", method), row, sender, said, button("Sign in"), leave);
  dialog.append(form);
  document.body.append(dialog);
  const kind = () => challenge.methods.find((one) => one.id === method.value)?.kind ?? RECOVERY;

  const draw = () => {
    code.disabled = kind() === "WEBAUTHN";
    row.style.display = code.disabled ? "none" : "grid";
    code.inputMode = kind() === RECOVERY ? "text" : "numeric";
    sender.hidden = !CODES.has(kind());
    said.textContent = "";
  };

  async function answer() {
    if (kind() === "WEBAUTHN") return { credential: await signed(challenge.passkeyOptions) };
    return kind() === RECOVERY ? { recoveryCode: code.value } : { methodId: method.value, code: code.value };
  }

  method.addEventListener("change", draw);
  leave.addEventListener("click", () => dialog.close());
  sender.addEventListener("click", async () => {
    try {
      await send(method.value);
      said.textContent = "A code is on its way.";
    } catch (problem) {
      said.textContent = problem.message;
    }
    code.focus();
  });
  draw();
  dialog.showModal();
  if (!code.disabled) code.focus();

  return new Promise((resolve, reject) => {
    form.addEventListener("submit", async (event) => {
      event.preventDefault();
      try {
        resolve(await complete(await answer()));
        dialog.close();
      } catch (problem) {
        said.textContent = problem.message;
        code.select();
      }
    });
    dialog.addEventListener("close", () => {
      dialog.remove();
      reject(new Error("The second factor was not given."));
    });
  });
}
