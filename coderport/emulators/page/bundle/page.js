// The page of the emulated pair. What comes from Coder or Port becomes text nodes and properties, never markup.
import { views } from "./views.js";

const POLL = 700; // milliseconds between two looks at what is shown
const LIT = 3000; // and how long what has changed lights up, as in page.css

/** An element. Children are elements or texts; of the properties `class` and `data-…` are attributes. */
export function el(tag, properties = {}, ...children) {
  const made = document.createElement(tag);
  for (const [key, value] of Object.entries(properties)) {
    if (value === null || value === undefined) continue;
    if (key === "class" || key.includes("-")) made.setAttribute(key, value);
    else made[key] = value;
  }
  made.append(...children.flat().filter((child) => child !== null && child !== undefined));
  return made;
}

export const button = (text, does, more = {}) => el("button", { type: "button", onclick: does, ...more }, text);
export const problem = (error) => el("p", { class: "problem", role: "alert" }, error.message);
export const link = (to, text) => el("a", { href: "#/" + to.map(encodeURIComponent).join("/") }, text);

/** A table; each row is {key, cells}, where a cell is a text, an element or {node, text, class}. */
export function table(headings, rows, wide = false) {
  const head = el("tr", {}, headings.map((each) => el("th", {}, each)));
  const body = rows.map(({ key, cells }) =>
    el("tr", { "data-key": key }, cells.map((cell) => {
      const { node, ...more } = cell instanceof Node || typeof cell === "string" ? { node: cell } : cell;
      return el("td", { title: typeof node === "string" && node.length > 40 ? node : "", ...more }, node);
    })));
  return el("div", { class: "scroll" }, el("table", { class: wide ? "wide" : "" }, el("thead", {}, head), el("tbody", {}, body)));
}

export async function post(path, body) {
  const answer = await fetch(path, { method: "POST", headers: { "content-type": "application/json" }, body: JSON.stringify(body) });
  const value = await answer.json();
  if (!answer.ok) throw new Error(value.message);
  return value;
}

/** Who the person at the page is, for Port: an e-mail address, or nobody. */
export const me = { email: sessionStorage.getItem("as") ?? "" };

/** Between the two halves of a click: a button that is replaced meanwhile would not be clicked. */
let pressed = false;
addEventListener("pointerdown", () => { pressed = true; }, true);
for (const end of ["pointerup", "pointercancel"]) addEventListener(end, () => setTimeout(() => { pressed = false; }), true);

/** A part of the page that shows what one address answers, and is drawn anew when that has changed. */
class Panel {
  constructor(place) { this.place = place; this.seen = new Map(); this.lit = new Map(); }

  show(path, draw) {
    this.path = path; this.draw = draw; this.tag = null; this.seen.clear(); this.lit.clear(); this.first = true;
    return this.look();
  }

  async look() {
    const { path } = this;
    if (!path || this.isBusy()) return;
    const answer = await fetch(path, { headers: this.tag ? { "if-none-match": this.tag } : {}, cache: "no-store" });
    if (this.path !== path || answer.status === 304) return;
    const value = await answer.json();
    if (this.path !== path || this.isBusy()) return;
    this.tag = answer.ok ? answer.headers.get("etag") : null;
    const left = this.place.scrollLeft, top = this.place.scrollTop;
    const drawn = answer.ok ? this.draw(value) : [problem(new Error(value.message))];
    this.place.replaceChildren(...drawn.filter(Boolean));
    this.place.scrollTo(left, top);
    this.flash();
    this.first = false;
  }

  /** Something is being typed, chosen or pressed here, which a new drawing would take away. */
  isBusy() {
    if (pressed) return true;
    const active = document.activeElement;
    return this.place.contains(active) && active.matches("input, select, textarea");
  }

  /** Marks what is new or different since the last drawing, by the keys of rows and the texts of their cells. */
  flash() {
    const now = new Map(), tables = [...this.place.querySelectorAll("table")], time = performance.now();
    for (const row of this.place.querySelectorAll("[data-key]")) {
      const key = `${tables.indexOf(row.closest("table"))} ${row.dataset.key}`; // one entity may be in several tables
      const texts = [...row.children].map((cell) => (cell.querySelector(".text") ?? cell).textContent);
      const before = this.seen.get(key);
      now.set(key, texts);
      texts.forEach((text, at) => {
        if (!this.first && text !== before?.[at]) this.lit.set(`${key} ${at}`, time);
        const since = time - (this.lit.get(`${key} ${at}`) ?? -LIT);
        if (since >= LIT) return;
        row.children[at].classList.add("changed");
        row.children[at].style.animationDelay = `-${since}ms`; // a second drawing goes on where the first one was
      });
    }
    this.seen = now;
  }
}

// ---------------------------------------------------------------- Coder

const coderPlace = document.getElementById("coder");
const find = el("input", { type: "search", placeholder: "find", oninput: () => showCoder() });
const coderBody = el("div");
const coderProblem = el("div");
const coder = new Panel(coderBody);
const named = (name, tag) => el("h1", {}, name, el("span", { class: "tag" }, tag));
coderPlace.append(
  el("div", { class: "bar" }, named("Coder", "emulated"), el("span", { class: "space" }), find), coderProblem, coderBody);

const showCoder = () => coder.show("api/coder?find=" + encodeURIComponent(find.value), drawCoder);

async function inCoder(path, body) {
  coderProblem.replaceChildren();
  try { await post("api/coder/" + path, body); } catch (error) { coderProblem.replaceChildren(problem(error)); }
  await coder.look();
}

function drawCoder(value) {
  return [
    el("h2", {}, `Workspaces (${value.count.toLocaleString("en")})`),
    table(["workspace", "status", "template"], value.workspaces.map((each) => ({ key: each.id, cells: [
      { node: withButtons(`${each.owner}/${each.name}`, workspaceButtons(each)), class: "does" },
      { node: el("span", {}, el("span", { class: "chip " + each.status }, each.status), each.dormant ? " dormant" : "") },
      `${each.template} ${each.version}` + (each.outdated ? " (outdated)" : ""),
    ] }))),
    more(value.workspaces, value.count),
    el("h2", {}, "Templates"),
    table(["template", "active version", "workspaces"], value.templates.map((each) => ({ key: each.id, cells: [
      { node: withButtons(each.name + (each.deprecated ? " (deprecated)" : ""),
        button("promote a new version", () => inCoder("templates/" + each.id, { do: "promote" }))), class: "does" },
      each.version, each.workspaces.toLocaleString("en"),
    ] }))),
    el("p", { class: "quiet" }, `Coder ${value.version}, emulated. Builds asked for here are done at once.`),
  ];
}

export const more = (rows, count) =>
  rows.length < count ? el("p", { class: "quiet" }, `${rows.length} of ${count.toLocaleString("en")} are shown: find others by their name.`) : null;

const withButtons = (name, buttons) => el("div", {}, el("div", { class: "text" }, name), buttons);

function workspaceButtons(each) {
  const press = (body) => () => inCoder("workspaces/" + each.id, body);
  const place = el("span");
  const draw = () => place.replaceChildren(
    each.status === "running" ? button("stop", press({ do: "stop" })) : button("start", press({ do: "start" })),
    button("rename", ask),
    ...(each.outdated ? [button("update", press({ do: "update" }))] : []),
    each.dormant ? button("wake", press({ do: "wake" })) : button("dormant", press({ do: "dormant" })),
    button("delete", press({ do: "delete" })));
  function ask() {
    const name = el("input", { value: each.name, size: 14, maxLength: 32, "aria-label": "new name" });
    const done = () => { name.blur(); draw(); };
    name.onkeydown = (event) => {
      if (event.key === "Enter") { const body = { do: "rename", name: name.value }; done(); press(body)(); }
      if (event.key === "Escape") done();
    };
    place.replaceChildren(name, button("save", () => { const body = { do: "rename", name: name.value }; done(); press(body)(); }), button("cancel", done));
    name.focus(); name.select();
  }
  draw();
  return place;
}

// ---------------------------------------------------------------- Port

const portPlace = document.getElementById("port");
const people = el("select", { "aria-label": "You are", onchange: () => become(people.value) });
const navigation = el("nav", { "aria-label": "Port" });
const portBody = el("div");
portPlace.append(
  el("div", { class: "bar" }, named("Port", "emulated"), el("span", { class: "space" }), el("label", {}, "You are ", people)),
  navigation, portBody);
const port = new Panel(portBody);
const overview = new Panel(navigation);

async function become(email) {
  people.blur();
  try { if (email) await post("api/port/people", { email }); }
  catch (error) { portBody.prepend(problem(error)); return; }
  me.email = email;
  sessionStorage.setItem("as", email);
  route();
}

const place = () => location.hash.replace(/^#\/?/, "").split("/").filter(Boolean).map(decodeURIComponent);

/** Where nothing was chosen yet, the blueprint with the most entities is open; while Port fills that may change. */
let opened;

function open(blueprint) {
  opened = blueprint;
  port.path = null;
  portBody.replaceChildren();
  if (blueprint) views.table(port, portBody, [blueprint]);
  else portBody.append(el("p", { class: "quiet" }, "Port is empty. The first run fills it."));
}

function drawOverview(value) {
  const most = Math.max(...value.blueprints.map((each) => each.count));
  const fullest = value.blueprints.find((each) => each.count === most)?.identifier ?? null;
  const chosen = [el("option", { value: "" }, "nobody"), ...value.people.map((each) => el("option", { value: each }, each))];
  if (document.activeElement !== people) { people.replaceChildren(...chosen); people.value = me.email; }
  const here = location.hash;
  const entry = (to, text) => { const made = link(to, text); if (made.hash === here || (!place().length && to[0] === "table" && to[1] === fullest)) made.className = "here"; return el("span", { "data-key": to.join("/") }, made); };
  const entries = [
    ...value.blueprints.map((each) => entry(["table", each.identifier], `${each.title} (${each.count.toLocaleString("en")})`)),
    ...value.pages.map((each) => entry(["page", each.identifier], each.title)),
    entry(["hub"], `Self-service (${value.actions})`), entry(["runs"], `Runs (${value.runs})`),
  ];
  if (!place().length && opened !== fullest) open(fullest);
  return entries;
}

function route() {
  const [view, ...rest] = place();
  overview.tag = null;
  overview.look().catch(() => {});
  const draw = views[view];
  opened = undefined;
  port.path = null;
  portBody.replaceChildren();
  if (draw) draw(port, portBody, rest);
}

// ---------------------------------------------------------------- the beat

const lost = document.getElementById("lost");

async function beat() {
  try {
    await Promise.all([coder.look(), overview.look(), port.look()]);
    lost.hidden = true;
  } catch (error) {
    if (!(error instanceof TypeError)) throw error; // fetch found nobody
    lost.hidden = false;
  } finally {
    setTimeout(beat, document.hidden ? 4 * POLL : POLL);
  }
}

addEventListener("hashchange", route);
showCoder().catch(() => {});
overview.show("api/port", drawOverview).catch(() => {});
if (me.email) become(me.email); else route();
beat();
