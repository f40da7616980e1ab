/** Whom the character is with, as central and the game servers tell it: one place for all windows. @module */

import { Emitter } from "../lib/emitter.js";
import { Refusal, asRefusal } from "../lib/refusal.js";

/** @import { Api } from "../lib/api.js" */
/** @import { CharacterApi } from "../lib/character_api.js" */
/** @import { Friend, Notice, Social, Who } from "../lib/social_types.js" */
/** @import { World } from "../lib/world.js" */

/** @type {Social} */
const ALONE = {
  status: { text: "", visible: "everybody", calls: "ask" }, friends: [], requests: { in: [], out: [] }, blocked: [], party: null, invites: [],
  faction: null, faction_invites: [], unread_mail: 0,
};

/** @typedef {{change: Social, notice: Notice}} CompanyEvents  change: what is known of people is new */

/** @extends {Emitter<CompanyEvents>} */
export class Company extends Emitter {
  /** @param {World} world @param {Api} api @param {(text: string, bad?: boolean) => void} toast */
  constructor(world, api, toast) {
    super();
    this.world = world;
    this.all = api;
    this.toast = toast;
    /** @type {Social} */
    this.social = ALONE;
    /** @type {Promise<void> | null} */
    this.asking = null;
    this.askAgain = false;
    world.on("state", (state) => {
      if (state === "out") this.become(ALONE);
      if (state === "in") void this.refresh();
    });
    world.on("notice", (notice) => this.told(notice));
  }

  /** What the character can do; without one nothing is asked. @returns {CharacterApi | null} */
  get api() {
    return this.world.character ? this.all.of(this.world.character) : null;
  }

  /** The own name. */
  get name() {
    return this.world.me()?.name ?? "";
  }

  /** @param {Social} social */
  become(social) {
    this.social = social;
    this.emit("change", social);
  }

  /** Asks for all of it anew; several wishes at once are one. @returns {Promise<void>} */
  refresh() {
    if (this.asking) {
      this.askAgain = true;
      return this.asking;
    }
    this.asking = this.ask().finally(() => {
      this.asking = null;
      if (!this.askAgain) return;
      this.askAgain = false;
      void this.refresh();
    });
    return this.asking;
  }

  async ask() {
    const { api } = this;
    const { character } = this.world;
    if (!api) return;
    try {
      const social = await api.social();
      if (character === this.world.character) this.become({ ...ALONE, ...social });
    } catch {
      // What is known stays; the next news ask again.
    }
  }

  /** @param {Notice} notice */
  told(notice) {
    const { social } = this;
    if (notice.type === "party") this.become({ ...social, party: notice.party, invites: notice.party ? social.invites.filter(({ party }) => party !== notice.party?.id) : social.invites });
    else if (notice.type === "friend") this.become({ ...social, friends: withFriend(social.friends, notice.friend), requests: withoutIn(social.requests, notice.friend.id) });
    else if (notice.type === "unfriended") this.become({ ...social, friends: social.friends.filter(({ id }) => id !== notice.id) });
    else if (notice.type === "mail") this.become({ ...social, unread_mail: notice.unread });
    else if (notice.type === "faction") this.become({ ...social, faction: notice.faction });
    else if (["party_invite", "friend_request", "faction_invite"].includes(notice.type)) void this.refresh();
    this.emit("notice", notice);
  }

  /**
   * Does something and looks what has come of it; a «no» is told to the player.
   * @param {(api: CharacterApi) => Promise<unknown>} deed @param {string} [done] what is told when it is done @returns {Promise<boolean>} whether it is
   */
  async do(deed, done) {
    const { api } = this;
    if (!api) return false;
    try {
      await deed(api);
      if (done) this.toast(done);
      return true;
    } catch (thrown) {
      this.toast(asRefusal(thrown).text, true);
      return false;
    } finally {
      void this.refresh();
    }
  }

  /** What is asked for a window; null and a word to the player if it does not come. @template T @param {() => Promise<T>} ask @returns {Promise<T | null>} */
  async look(ask) {
    try {
      return await ask();
    } catch (thrown) {
      const refusal = asRefusal(thrown);
      if (!(thrown instanceof Refusal) || refusal.code !== "left") this.toast(refusal.text, true);
      return null;
    }
  }

  /** Names that a whisper may mean. */
  names() {
    const { friends, party, requests } = this.social;
    const near = [...this.world.entities].filter(({ kind }) => kind === 0).map(({ name }) => name);
    return [...friends, ...(party?.members ?? []), ...requests.in, ...requests.out].map(({ name }) => name).concat(near);
  }
}

/** @param {Friend[]} friends @param {Friend} friend */
function withFriend(friends, friend) {
  return [...friends.filter(({ id }) => id !== friend.id), { ...friends.find(({ id }) => id === friend.id), ...friend }];
}

/** @param {{in: Who[], out: Who[]}} requests @param {string} id */
function withoutIn(requests, id) {
  return { in: requests.in.filter((one) => one.id !== id), out: requests.out.filter((one) => one.id !== id) };
}
