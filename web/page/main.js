/** The page: which screen is shown when. @module */

import { Api } from "../lib/api.js";
import { asRefusal } from "../lib/refusal.js";
import { World } from "../lib/world.js";
import { drawBackdrop } from "./backdrop.js";
import { $ } from "./dom.js";
import { Game } from "./game.js";
import { Lobby } from "./lobby.js";
import { setUpPlain } from "./plain.js";
import { showProgress, startProgress } from "./progress.js";
import { setUpSignIn, showSignIn } from "./sign_in.js";

/** @import { Wish } from "../lib/http_types.js" */

const api = new Api("", { storage: localStorage });
// `?transport=webtransport` tries that first; docs/decisions.md says why it has to be wished.
const wished = new URLSearchParams(location.search).get("transport") === "webtransport";
const world = new World(api, { transport: wished ? "webtransport" : "websocket" });
const lobby = new Lobby(api, (wish) => void enter(wish));
const game = new Game(world, api, () => void leave());

/** @param {Wish} wish */
async function enter(wish) {
  startProgress(() => {
    void world.leave();
    void lobby.show();
  });
  try {
    await world.enter(wish);
  } catch (thrown) {
    const refusal = asRefusal(thrown);
    if (refusal.code !== "left" && api.session) void lobby.show(refusal.text);
  }
}

async function leave() {
  await world.leave();
}

world.on("progress", showProgress);
world.on("state", (state) => {
  if (state === "in") game.show(lobby.worlds);
  if (state === "plain") game.hide();
});
world.on("end", (refusal) => {
  game.hide();
  if (!api.session) return;
  void lobby.show(refusal.code === "left" ? "" : refusal.text);
});
api.on("signedOut", (refusal) => {
  world.stop();
  game.hide();
  showSignIn(refusal.text);
});

setUpSignIn(api, () => void lobby.show());
setUpPlain(world, () => void leave(), () => {
  void leave().then(() => {
    /** @type {HTMLDetailsElement} */ ($("enter-elsewhere")).open = true;
  });
});
$("logout").onclick = async () => {
  await api.logout();
  showSignIn();
};

addEventListener("resize", drawBackdrop);
// A page that is closed leaves its character for the grace time; it is resumed by entering again.
drawBackdrop();
if (api.session) void lobby.show();
else showSignIn();

/** For tests and for the curious. */
Object.assign(window, { pangea: { world, api, game, me: () => world.me(), entities: () => [...world.entities] } });
