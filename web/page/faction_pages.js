/** The pages of one's own faction: members, about, relations, ground, roles; buttons by permission. @module */

import { confirm, make } from "./dom.js";
import { button, check, form, labelled, list, row, select, untilText } from "./parts.js";

/** @import { Claim, FactionInfo, Rights } from "../lib/social_types.js" */
/** @import { FactionWindow } from "./faction_window.js" */

export const PAGES = /** @type {const} */ ({ members: "Members", about: "About", relations: "Relations", ground: "Ground", roles: "Roles" });
/** @typedef {keyof typeof PAGES} Page */

/** What a role may do. @type {Record<string, string>} */
const PERMISSIONS = {
  invite: "invite", kick: "send away", edit: "change title and about", roles: "give roles", relations: "name allies and enemies", claim: "claim ground", spawn: "set where members begin",
};
const RELATIONS = { ally: "ally", enemy: "enemy", neutral: "neutral" };
const WHOM = /** @type {const} */ ({ owner: "Members", ally: "Allies", guest: "Others" });

/** @param {FactionWindow} window @param {FactionInfo} info @returns {Record<Page, () => HTMLElement[]>} */
export function pagesOf(window, info) {
  const own = window.company.social.faction?.role ?? "";
  const rank = info.roles.findIndex(({ name }) => name === own);
  const may = (/** @type {string} */ what) => rank === 0 || (info.roles[rank]?.permissions.includes(what) ?? false);
  return {
    members: () => members(window, info, rank, may),
    about: () => about(window, info, may),
    relations: () => relations(window, info, may("relations")),
    ground: () => ground(window, info, may("claim")),
    roles: () => roles(window, info, rank === 0),
  };
}

/** @typedef {(what: string) => boolean} May */

/** @param {FactionWindow} window @param {FactionInfo} info @param {number} rank of the own role, 0 leads @param {May} may */
function members(window, info, rank, may) {
  const rankOf = (/** @type {string} */ role) => info.roles.findIndex(({ name }) => name === role);
  const sorted = [...info.members].sort((a, b) => rankOf(a.role) - rankOf(b.role) || Number(b.online) - Number(a.online) || a.name.localeCompare(b.name));
  const rows = sorted.map(({ id, name, role, online }) => {
    const who = make("button", { type: "button", class: "who", dir: "auto" }, make("span", { class: online ? "light on" : "light", role: "img", "aria-label": online ? "online" : "offline" }), " ", name);
    who.onclick = (event) => window.menu(name, event);
    const below = rank === 0 || rankOf(role) > rank;
    const titles = Object.fromEntries(info.roles.filter((one, n) => rank === 0 || n > rank || one.name === role).map((one) => [one.name, one.name]));
    const self = id === window.world.character;
    const choice = may("roles") && below ? select(titles, role, `Role of ${name}`, (wish) => void window.do((api) => api.giveRole(id, wish))) : null;
    const kick = may("kick") && below && !self ? button("Send away", () => void window.do((api) => api.kickFromFaction(id))) : null;
    return row(who, choice ? "" : role, choice, kick);
  });
  const pages = [list(rows, "Nobody.")];
  if (may("invite")) pages.push(inviting(window, info, rank));
  pages.push(make("div", { class: "row end" }, button("Leave the faction", () => void leave(window, info), "quiet")));
  return pages;
}

/** @param {FactionWindow} window @param {FactionInfo} info @param {number} rank */
function inviting(window, info, rank) {
  const name = make("input", { maxlength: "24", required: "", autocomplete: "off", spellcheck: "false" });
  const last = info.roles.at(-1)?.name ?? "";
  const role = select(Object.fromEntries(info.roles.filter((one, n) => rank === 0 || n > rank || one.name === last).map((one) => [one.name, one.name])), last, "Promised role");
  return form("Invite", [make("div", { class: "two-fields" }, labelled("Name", name), labelled("Role", role))], () => {
    return window.do((api) => api.inviteToFaction(name.value.trim(), role.value), `${name.value.trim()} is invited.`);
  });
}

/** @param {FactionWindow} window @param {FactionInfo} info */
async function leave(window, info) {
  if (await confirm(`Leave ${info.title || info.name}?`, "Who is the last one to leave ends the faction.", "Leave")) await window.do((api) => api.leaveFaction());
}

/** @param {FactionWindow} window @param {FactionInfo} info @param {May} may */
function about(window, info, may) {
  const spawn = may("spawn") ? [make("div", { class: "row end" }, button("Members begin where I stand", () => void window.do((api) => api.setFactionSpawn(), "Members begin here from now on.")))] : [];
  if (!may("edit")) return [make("p", { class: "prose", dir: "auto" }, info.about || "It says nothing of itself."), make("p", { class: "hint" }, info.open ? "Everybody may join." : "One joins by invitation."), ...spawn];
  const title = make("input", { maxlength: "48", autocomplete: "off" });
  title.defaultValue = info.title;
  const text = make("textarea", { rows: "6", maxlength: "500" });
  text.defaultValue = info.about;
  const open = check("Everybody may join", info.open, () => {});
  const fields = [labelled("Title", title), labelled("About", text), open];
  return [form("Save", fields, async () => {
    await window.do((api) => api.editFaction({ title: title.value.trim(), about: text.value.trim(), open: open.querySelector("input")?.checked ?? info.open }), "Saved.");
    return false;
  }), ...spawn];
}

/** @param {FactionWindow} window @param {FactionInfo} info @param {boolean} may */
function relations(window, info, may) {
  const rows = info.relations.map(({ faction, relation }) => row(faction.name, may ? "" : relation,
    may ? select(RELATIONS, relation, `Relation to ${faction.name}`, (wish) => void window.do((api) => api.setRelation(faction.id, /** @type {keyof typeof RELATIONS} */ (wish)))) : null));
  const pages = [list(rows, "Neither allies nor enemies.")];
  const known = new Set([info.id, ...info.relations.map(({ faction }) => faction.id)]);
  const others = window.others.filter(({ id }) => !known.has(id));
  if (!may || others.length === 0) return pages;
  const whom = select(Object.fromEntries(others.map(({ id, name }) => [id, name])), others[0].id, "Faction");
  const relation = select({ ally: "ally", enemy: "enemy" }, "ally", "Relation");
  pages.push(form("Call it so", [make("div", { class: "two-fields" }, whom, relation)], () => window.do((api) => api.setRelation(whom.value, /** @type {"ally"} */ (relation.value)))));
  return pages;
}

/** @param {FactionWindow} window @param {FactionInfo} info @param {boolean} may */
function ground(window, info, may) {
  const pages = [list(info.claims.map((claim) => claimed(window, claim, may)), "No ground is claimed.")];
  if (may) pages.push(make("div", { class: "row end" }, button("Claim the ground where I stand", () => void window.do((api) => api.claim(), "This ground is yours."), "primary")));
  return pages;
}

/** @param {FactionWindow} window @param {Claim} claim @param {boolean} may */
function claimed(window, claim, may) {
  const { area } = claim;
  const rights = make("div", { class: "rights" });
  for (const [whom, title] of /** @type {[keyof typeof WHOM, string][]} */ (Object.entries(WHOM))) {
    const change = (/** @type {keyof Rights} */ what) => (may ? (/** @type {boolean} */ on) => {
      const { owner, ally, guest } = claim;
      void window.do((api) => api.setRights(area, { owner, ally, guest, [whom]: { ...claim[whom], [what]: on } }));
    } : undefined);
    rights.append(make("span", {}, title), check("gather", claim[whom].gather, change("gather")), check("build", claim[whom].build, change("build")));
  }
  const pay = may ? button("Pay 7 days", () => void window.do((api) => api.payUpkeep(area, 7), "Paid.")) : null;
  const give = may ? button("Give up", () => void giveUp(window, area)) : null;
  return row(area, `ends ${untilText(claim.until_ms)}`, pay, give, rights);
}

/** @param {FactionWindow} window @param {string} area */
async function giveUp(window, area) {
  if (await confirm("Give up this ground?", `${area} is nobody's then.`, "Give up")) await window.do((api) => api.unclaim(area));
}

/** @param {FactionWindow} window @param {FactionInfo} info @param {boolean} leads */
function roles(window, info, leads) {
  /** As they shall be. */
  const wish = info.roles.map(({ name, permissions }) => ({ name, permissions: [...permissions] }));
  const rows = wish.map((role, n) => {
    const boxes = Object.entries(PERMISSIONS).map(([what, title]) => check(title, n === 0 || role.permissions.includes(what), leads && n > 0 ? (on) => {
      role.permissions = on ? [...role.permissions, what] : role.permissions.filter((one) => one !== what);
    } : undefined));
    const out = leads && n > 0 && wish.length > 2 ? button("Take out", () => void window.do((api) => api.setRoles(wish.filter((one) => one !== role)))) : null;
    return row(role.name, n === 0 ? "leads: may do everything" : "", out, make("div", { class: "boxes" }, ...(n === 0 ? [] : boxes)));
  });
  if (!leads) return [list(rows, "")];
  const name = make("input", { maxlength: "24", required: "", autocomplete: "off" });
  const save = button("Save", () => void window.do((api) => api.setRoles(wish), "Saved."), "primary");
  const add = form("Add the role", [labelled("A new role, above the last one", name)], () => {
    return window.do((api) => api.setRoles([...wish.slice(0, -1), { name: name.value.trim(), permissions: [] }, ...wish.slice(-1)]));
  });
  return [list(rows, ""), make("div", { class: "row end" }, save), add];
}
