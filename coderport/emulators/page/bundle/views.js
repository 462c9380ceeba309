// What the right side shows of the emulated Port: tables, entities, dashboards, forms and runs.
import { button, el, link, me, more, post, problem, table } from "./page.js";

const as = () => "as=" + encodeURIComponent(me.email);
const part = encodeURIComponent;

const number = (value) => value.toLocaleString("en", { maximumFractionDigits: 20 });

/** A value of a property as text, or as a link where it is an address of the web. */
function shown(value) {
  if (value === null || value === undefined) return "–";
  if (typeof value === "string" && /^https?:\/\//.test(value)) return el("a", { href: value, rel: "noreferrer noopener", target: "_blank" }, value);
  if (typeof value === "number") return number(value);
  return typeof value === "string" ? value : JSON.stringify(value);
}

const related = (targets) => el("span", {}, targets.length ? targets.flatMap((each, at) =>
  [...(at ? [", "] : []), link(["entity", each.blueprint, each.identifier], each.title)]) : "–");

const chip = (text, kind = text) => el("span", { class: "chip " + kind }, text);

const cell = (row, column) => {
  if (column.kind === "relation") return related(row.relations[column.key] ?? []);
  const value = row.properties[column.key];
  return column.key === "status" && value ? chip(value) : shown(value);
};

const entities = (value) => table(
  ["entity", ...value.columns.map((each) => each.title)],
  value.rows.map((row) => ({ key: row.identifier, cells: [
    link(["entity", row.blueprint, row.identifier], row.title), ...value.columns.map((each) => cell(row, each))] })), true);

const statusFirst = (columns) => [...columns.filter((each) => each.key === "status"), ...columns.filter((each) => each.key !== "status")];

function showTable(panel, place, [blueprint]) {
  const find = el("input", { type: "search", placeholder: "find", "aria-label": "find in the table" });
  const body = el("div"), title = el("h2", {}, blueprint);
  place.append(el("div", { class: "bar" }, title, el("span", { class: "space" }), find), body);
  const draw = () => watch(panel, body, `api/port/blueprints/${part(blueprint)}?find=${part(find.value)}`, (value) => [
    void (title.textContent = value.title), value.count ? entities({ ...value, columns: statusFirst(value.columns) }) : el("p", { class: "quiet" }, "No entities."), more(value.rows, value.count)]);
  find.oninput = draw;
  draw();
}

/** Shows in `body` what the address answers, for as long as this view is the one that is shown. */
function watch(panel, body, path, draw) {
  panel.place = body;
  return panel.show(path, draw).catch(() => {});
}

function showEntity(panel, place, [blueprint, identifier]) {
  watch(panel, place, `api/port/entity?blueprint=${part(blueprint)}&entity=${part(identifier)}&${as()}`, (value) => [
    el("h2", {}, value.title), el("p", { class: "quiet" }, `${value.blueprint_title} · ${value.identifier}`),
    value.actions.length ? el("div", { class: "bar" }, value.actions.map((each) => actionButton(each, value))) : null,
    el("h2", {}, "Relations"),
    facts(value.columns.filter((each) => each.kind === "relation").map((each) => [each.title, each.key, cell(value, each)])),
    value.related_by_count ? el("p", {}, `Related to this (${number(value.related_by_count)}): `, related(value.related_by)) : null,
    ...value.scorecards.map(scorecard),
    el("h2", {}, "Properties"),
    facts(value.columns.filter((each) => each.kind !== "relation").map((each) => [each.title, each.key, cell(value, each)])),
    el("p", { class: "quiet" }, `created ${value.stamps.created_at} by ${value.stamps.created_by}, changed ${value.stamps.updated_at} by ${value.stamps.updated_by}`),
  ]);
}

const facts = (rows) => table([], rows.map(([title, key, node]) => ({ key, cells: [{ node: title, class: "quiet" }, { node, class: "wrap" }] })));

const scorecard = (each) => el("div", {}, el("h2", {}, each.title + ": ", chip(each.level ?? "–", "yes")),
  table([], each.rules.map((rule) => ({ key: each.identifier + rule.title, cells: [chip(rule.holds ? "passed" : "not passed", rule.holds ? "yes" : "no"), rule.level, rule.title] }))));

const actionButton = (action, entity) => button(action.title,
  () => { location.hash = ["#", "form", part(action.identifier), ...(entity ? [part(entity.identifier)] : [])].join("/"); },
  { disabled: action.why_not !== null, title: action.why_not ?? action.description ?? "" });

function showHub(panel, place) {
  watch(panel, place, "api/port/actions?" + as(), (value) => [
    el("h2", {}, "Self-service"),
    value.actions.length ? null : el("p", { class: "quiet" }, "No actions are declared: the stack's setting `actions` is off, or nothing has run yet."),
    el("div", { class: "cards" }, value.actions.map((each) => el("div", { class: "card" },
      el("strong", {}, each.title), el("p", { class: "quiet" }, each.description ?? ""),
      each.operation === "CREATE" ? actionButton(each, null) : el("span", {}, "on an entity of ", link(["table", each.blueprint], each.blueprint)),
      each.why_not && each.operation === "CREATE" ? el("p", { class: "quiet" }, each.why_not) : null))),
  ]);
}

function showPage(panel, place, [identifier]) {
  watch(panel, place, `api/port/pages/${part(identifier)}?${as()}`, (value) => [
    el("h2", {}, value.title), el("p", { class: "quiet" }, value.description ?? ""),
    ...value.rows.map((row) => el("div", { class: "row" }, row.map((each) =>
      el("div", { class: "card s" + each.size }, el("h3", {}, each.title), ...widget(each))))),
  ]);
}

function widget(each) {
  if (each.number !== undefined) return [el("div", { "data-key": "number " + each.title }, el("span", { class: "big" }, shown(each.number)))];
  if (each.slices) {
    const all = each.slices.reduce((sum, slice) => sum + slice.count, 0);
    return [table([], each.slices.map((slice) => ({ key: each.title + slice.title, cells: [
      slice.title, { node: number(slice.count), class: "num" }, el("meter", { max: all, value: slice.count })] })))];
  }
  if (each.runs) return [runs(each.runs)];
  if (each.rows) return [each.count ? entities(each) : el("p", { class: "quiet" }, "None."), more(each.rows, each.count)];
  return [el("p", {}, each.text)];
}

const runs = (rows) => rows.length ? table(["run", "", "by", "on", "at"], rows.map((each) => ({ key: each.id, cells: [
  link(["run", each.id], each.action), el("span", {}, chip(each.status), " ", each.statusLabel ?? ""), each.by, each.entity ?? "–", each.createdAt] })))
  : el("p", { class: "quiet" }, "No runs yet.");

const showRuns = (panel, place) => watch(panel, place, "api/port/runs", (value) => [el("h2", {}, "Runs of actions"), runs(value.runs)]);

function showRun(panel, place, [id]) {
  const said = el("div");
  const decide = (what) => async () => {
    said.replaceChildren();
    try { await post(`api/port/runs/${part(id)}/approval`, { do: what, as: me.email }); } catch (error) { said.replaceChildren(problem(error)); }
  };
  watch(panel, place, "api/port/runs/" + part(id), (value) => [
    el("h2", {}, value.action + " ", chip(value.status)), said,
    el("div", { "data-key": "label" }, el("span", {}, value.statusLabel ?? "")),
    el("p", { class: "quiet" }, `by ${value.by}, at ${value.createdAt}` + (value.endedAt ? `, ended at ${value.endedAt}` : "")),
    value.summary ? el("p", {}, value.summary) : null,
    value.status === "WAITING_FOR_APPROVAL" ? el("div", { class: "bar" }, `Approvers: ${value.approvers.join(", ") || "nobody"}`,
      button("approve", decide("approve")), button("decline", decide("decline"))) : null,
    el("h2", {}, "Log"),
    value.log.length ? el("pre", {}, value.log.map((each) => each.message.trimEnd()).join("\n")) : el("p", { class: "quiet" }, "No lines yet."),
    value.entities.length ? el("p", {}, "Entities: ", value.entities.map((each) => el("span", {}, each.did.toLowerCase() + " ",
      each.here ? link(["entity", each.blueprint, each.identifier], each.identifier) : each.identifier, " "))) : null,
    el("h2", {}, "Inputs"), facts(Object.entries(value.inputs).map(([key, held]) => [key, key, shown(held)])),
    value.link.length ? el("p", {}, "Links: ", value.link.map((each) => el("span", {}, shown(each), " "))) : null,
  ]);
}

// ---------------------------------------------------------------- forms

async function showForm(panel, place, [action, entity]) {
  panel.path = null; // a form is not drawn anew by itself: only by what is put into it
  const here = location.hash, given = {}, wrong = el("div"), head = el("div"), fields = el("div");
  const execute = el("button", { class: "main", type: "submit" }, "Execute");
  const form = el("form", { onsubmit: send, noValidate: true, hidden: true }, fields, wrong, execute);
  place.replaceChildren(head, form);
  let offered = [];

  async function draw() {
    let value;
    try { value = await post(`api/port/actions/${part(action)}/form`, { as: me.email, entity, inputs: given }); }
    catch (error) { head.replaceChildren(el("h2", {}, action), problem(me.email ? error : new Error("Choose above who you are first."))); return; }
    if (location.hash !== here) return;
    head.replaceChildren(el("h2", {}, value.title), el("p", { class: "quiet" }, value.description ?? ""),
      value.entity ? el("p", {}, "On ", el("strong", {}, value.entity.title ?? value.entity.identifier)) : "");
    // What was typed while the answer was on its way stays.
    offered = value.fields.filter((each) => each.visible).map((each) => (each.key in given ? { ...each, value: given[each.key] } : each));
    const focused = document.activeElement?.id;
    fields.replaceChildren(...offered.map((each) => field(each, given, draw)));
    if (focused) document.getElementById(focused)?.focus();
    execute.textContent = value.approval ? "Ask for approval" : "Execute";
    form.hidden = false;
  }

  async function send(event) {
    event.preventDefault();
    wrong.replaceChildren();
    const held = offered.filter((each) => !each.disabled).map((each) => [each.key, each.key in given ? given[each.key] : each.value]);
    const inputs = Object.fromEntries(held.filter(([key, value]) => key in given || (value !== null && value !== undefined)));
    try {
      const run = await post(`api/port/actions/${part(action)}/runs`, { as: me.email, entity, inputs });
      location.hash = "#/run/" + part(run.id);
    } catch (error) { wrong.replaceChildren(problem(error)); }
  }
  await draw();
}

function field(each, given, draw) {
  const id = "input-" + each.key;
  const set = (value) => { given[each.key] = value === "" || value === undefined ? null : value; }; // null: cleared, also of a default
  const control = each.choices ? chooser(each, set, draw) : writer(each, set, draw);
  control.id = id;
  control.disabled = each.disabled;
  return el("div", { class: "field" }, el("label", { htmlFor: id }, each.title, each.required ? el("span", { class: "must" }, " *") : ""),
    control, el("div", { class: "quiet" }, each.description ?? "", each.waits_for.length ? ` Waits for ${each.waits_for.join(", ")}.` : ""));
}

function chooser(each, set, draw) {
  const several = each.type === "array", held = several ? each.value ?? [] : each.value;
  const made = el("select", { multiple: several });
  if (!several) made.append(el("option", { value: "" }, ""));
  each.choices.forEach((choice, at) => made.append(el("option", { value: String(at),
    selected: several ? held.includes(choice.value) : choice.value === held }, choice.title)));
  made.onchange = () => {
    const chosen = [...made.selectedOptions].filter((one) => one.value !== "").map((one) => each.choices[Number(one.value)].value);
    set(several ? chosen : chosen[0]);
    draw();
  };
  return made;
}

function writer(each, set, draw) {
  if (each.type === "boolean") return el("input", { type: "checkbox", checked: each.value === true, onchange: (event) => { set(event.target.checked); draw(); } });
  const numeric = each.type === "number", listed = each.type === "array", whole = each.type === "object";
  const text = each.value === null ? "" : listed ? each.value.join("\n") : whole ? JSON.stringify(each.value) : String(each.value);
  const long = listed || whole || ["multi-line", "markdown", "yaml"].includes(each.format);
  const made = el(long ? "textarea" : "input", { value: text, ...(numeric ? { type: "number", step: "any", min: each.minimum, max: each.maximum } : {}) });
  const read = () => {
    if (made.value === "") return null;
    if (numeric) return Number(made.value);
    if (listed) return made.value.split("\n").filter(Boolean).map((one) => (each.item_type === "number" ? Number(one) : one));
    if (whole) { try { return JSON.parse(made.value); } catch { return made.value; } } // Port says what is wrong with it
    return made.value;
  };
  made.oninput = () => set(read());
  made.onchange = () => { set(read()); draw(); };
  return made;
}

export const views = { table: showTable, entity: showEntity, page: showPage, hub: showHub, form: showForm, runs: showRuns, run: showRun };
