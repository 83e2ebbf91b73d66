// The search, the only part that needs JavaScript: "/" begins, arrows choose, Enter goes, Escape leaves.
const root = document.body.dataset.root;
const form = document.querySelector("form[role=search]");
const field = document.getElementById("search");
const list = document.getElementById("found");
const SHOWN_MAX = 20;

let rows = null;
let chosen = 0;

function token() {
  try {
    return JSON.parse(sessionStorage.getItem("truckroll.session"))?.accessToken;
  } catch {
    return null;
  }
}

async function load() {
  rows ??= fetch(new URL(`${root}search.json`, location.href), {
    headers: token() ? { authorization: `Bearer ${token()}` } : {},
  }).then((response) => (response.ok ? response.json() : []));
  return rows;
}

// Less is better: the name itself, its beginning, a word in it, any part of it, then what is said about it.
function rank([name, kind, , says], wanted) {
  const low = name.toLowerCase();
  const at = low.lastIndexOf(wanted);
  const member = kind === "field" || kind === "value" ? 4 : 0;
  if (low === wanted) return member;
  if (member && low.endsWith(`.${wanted}`)) return 3;
  if (low.startsWith(wanted)) return 1 + member;
  if (at > 0 && (name[at] !== low[at] || name[at - 1] === ".")) return 2 + member;
  if (at > 0) return 3 + member;
  return says.toLowerCase().includes(wanted) ? 9 : Infinity;
}

async function search() {
  const wanted = field.value.trim().toLowerCase().replace(/\s+/g, "");
  const said = field.value.trim().toLowerCase();
  const found = !wanted
    ? []
    : (await load())
        .map((row) => [Math.min(rank(row, wanted), rank(row, said)), row])
        .filter(([score]) => score < Infinity)
        .sort(([one, a], [other, b]) => one - other || a[0].length - b[0].length || a[0].localeCompare(b[0]))
        .slice(0, SHOWN_MAX);
  chosen = 0;
  list.replaceChildren(
    ...found.map(([, [name, kind, path, says]], number) => {
      const link = document.createElement("a");
      link.href = root + path;
      for (const [element, text] of [["strong", name], ["em", kind], ["span", says]]) {
        const part = document.createElement(element);
        part.textContent = text;
        link.append(part, " ");
      }
      const item = document.createElement("li");
      item.role = "option";
      item.id = `found-${number}`;
      item.append(link);
      return item;
    }),
  );
  if (wanted && !found.length) {
    const none = document.createElement("li");
    none.textContent = "Nothing is called so.";
    list.append(none);
  }
  list.hidden = !wanted;
  field.ariaExpanded = String(!list.hidden);
  mark();
}

function mark() {
  [...list.children].forEach((item, number) => {
    item.ariaSelected = String(number === chosen);
    if (number === chosen) item.scrollIntoView({ block: "nearest" });
  });
  field.setAttribute("aria-activedescendant", list.hidden ? "" : `found-${chosen}`);
}

field.addEventListener("focus", load);
field.addEventListener("input", search);
field.addEventListener("keydown", (event) => {
  const step = { ArrowDown: 1, ArrowUp: -1 }[event.key];
  if (step && list.children.length) {
    chosen = (chosen + step + list.children.length) % list.children.length;
    mark();
    event.preventDefault();
  } else if (event.key === "Escape") {
    field.value = "";
    field.blur();
    search();
  }
});
form.addEventListener("submit", (event) => {
  event.preventDefault();
  const link = list.children[chosen]?.querySelector("a");
  if (link) location.href = link.href;
});
document.addEventListener("keydown", (event) => {
  const typing = event.target.closest?.("input, textarea, select");
  if ((event.key === "/" && !typing) || (event.key === "k" && (event.metaKey || event.ctrlKey))) {
    event.preventDefault();
    field.focus();
    field.select();
  }
});
document.addEventListener("click", (event) => {
  if (!form.contains(event.target)) list.hidden = true;
});

// On a small screen the contents are folded until they are wanted.
if (matchMedia("(max-width: 56rem)").matches) document.querySelector("nav details").open = false;
form.hidden = false;
