/** Goods, quests, people, trade, the strongbox: the windows together, the keys, and what the world tells of them. @module */

import { Bag } from "./bag.js";
import { $ } from "./dom.js";
import { Tables, markOf, noWords } from "./goods.js";
import { showRecipes } from "./making.js";
import { Quests } from "./quests.js";
import { REACH_M, nearestForHands, sentenceOf } from "./reach.js";
import { Strongbox } from "./strongbox.js";
import { Talk } from "./talk.js";
import { Trade } from "./trade.js";
import { closeWindow, isOpen } from "./windows.js";

/** @import { Entity } from "../lib/entities.js" */
/** @import { Schema } from "../lib/schema.js" */
/** @import { World } from "../lib/world.js" */
/** @import { Picture } from "./picture.js" */

/** A taking that is asked again sooner than this is the same press, ms. */
const TAKE_MS = 350;
/** A heap that has not come by then does not come, ms. */
const HEAP_MS = 5_000;
/** How near to a player a click means him, metres. */
const CLICK_M = 0.9;

export class Belongings {
  /** @param {World} world @param {Picture} picture @param {(text: string, bad?: boolean) => void} toast */
  constructor(world, picture, toast) {
    this.world = world;
    this.picture = picture;
    this.toast = toast;
    /** @type {{schema: Schema | undefined, tables: Tables}} */
    this.read = { schema: undefined, tables: new Tables() };
    const tables = () => this.tables;
    this.trade = new Trade(world, tables, toast, () => this.openBag());
    this.bag = new Bag(world, tables, (slot, half) => this.trade.offerSlot(slot) || this.strongbox.put(slot, half));
    this.strongbox = new Strongbox(world, tables, this.bag, () => this.openBag());
    this.quests = new Quests(world, tables, toast);
    this.talk = new Talk(world, tables);
    this.takenMs = 0;
    /** A heap that was asked for, and how many of its kind there were. @type {{item: number, count: number, had: number, untilMs: number} | null} */
    this.heap = null;
    this.showsRecipes = false;
    /** A player was clicked. @type {(name: string, at: {clientX: number, clientY: number}) => void} */
    this.menu = () => {};
    $("show-bag").onclick = () => this.toggleBag(false);
    $("show-quests").onclick = () => this.toggleQuests();
    $("tab-bag").onclick = () => this.turnTo(false);
    $("tab-make").onclick = () => this.turnTo(true);
    picture.marks = (entity) => this.mark(entity);
    picture.icons = (item) => this.tables.item(item);
    picture.titles = (who) => this.tables.person(who);
    world.on("update", () => this.look());
    world.on("switch", () => closeWindow("talk-window"));
    world.on("event", ({ name, values }) => {
      if (name === "Says") this.talk.says(values);
      if (name === "Told") toast(noWords(values.code, values.text), true);
      if (name === "Got") this.heardGot(values);
      if (name === "TradeOver") this.trade.over(values);
    });
  }

  /** The tables of the game that is played. */
  get tables() {
    const schema = this.world.live?.known.schema ?? this.world.schema;
    if (schema !== this.read.schema) this.read = { schema, tables: new Tables(schema?.tables) };
    return this.read.tables;
  }

  /** Whether this game has goods. */
  get has() {
    return this.tables.items.length > 0;
  }

  look() {
    if (this.bag.look()) {
      if (isOpen("bag-window")) this.drawRecipes();
      this.seeHeap();
    }
    this.quests.look();
    this.trade.look();
    this.strongbox.look();
    this.talk.look();
  }

  // ---- keys and clicks --------------------------------------------------------------------------------

  /** @param {string} code @returns {boolean} whether it was for this */
  press(code) {
    if (!this.has) return false;
    const digit = /^(?:Digit|Numpad)([1-9])$/.exec(code);
    if (digit) return this.talk.answer(Number(digit[1]) - 1);
    if (code === "KeyI") this.toggleBag(false);
    else if (code === "KeyC") this.toggleBag(true);
    else if (code === "KeyL") this.toggleQuests();
    else return false;
    return true;
  }

  /** @param {boolean} recipes */
  toggleBag(recipes) {
    if (isOpen("bag-window") && this.showsRecipes === recipes) return closeWindow("bag-window");
    this.openBag(recipes);
  }

  openBag(recipes = false) {
    closeWindow("talk-window");
    if (innerWidth < 700) closeWindow("quest-window");
    this.bag.open();
    this.turnTo(recipes);
  }

  toggleQuests() {
    if (isOpen("quest-window")) return closeWindow("quest-window");
    if (innerWidth < 700) closeWindow("bag-window");
    this.quests.open();
  }

  /** @param {boolean} recipes */
  turnTo(recipes) {
    this.showsRecipes = recipes;
    $("tab-bag").setAttribute("aria-selected", String(!recipes));
    $("tab-make").setAttribute("aria-selected", String(recipes));
    $("bag-page").hidden = recipes;
    $("make-page").hidden = !recipes;
    this.drawRecipes();
  }

  drawRecipes() {
    if (this.showsRecipes) showRecipes(this.world, this.tables, this.bag.counts);
  }

  /**
   * What the hands would do now.
   * @param {boolean} atWork a tree or a rock is in reach: who stands farther off is not meant
   * @returns {{entity: Entity, text: string} | null}
   */
  before(atWork) {
    const here = this.world.here();
    const entity = here && this.has ? nearestForHands(this.world.entities, here, atWork ? REACH_M * 0.75 : undefined) : undefined;
    return entity ? { entity, text: sentenceOf(entity, this.tables) } : null;
  }

  /** Takes what lies near, or talks to who stands there. @param {Entity | undefined} entity @returns {boolean} whether there was anything */
  useHands(entity) {
    if (!entity) return false;
    const now = performance.now();
    if (now - this.takenMs < TAKE_MS) return true;
    this.takenMs = now;
    if (entity.kindName === "person") this.talk.begin(entity);
    else this.world.act("Take", { target: entity.id });
    const { Heap } = entity.components;
    if (Heap) this.heap = { item: Heap.item, count: Heap.count, had: this.bag.counts.get(Heap.item) ?? 0, untilMs: now + HEAP_MS };
    return true;
  }

  /** A click on the picture. @param {{x: number, y: number}} at metres @param {{clientX: number, clientY: number}} click @returns {boolean} */
  pointAt(at, click) {
    const here = this.world.here();
    if (!here) return false;
    const hands = this.has ? nearestForHands(this.world.entities, { x: at.x, y: at.y + 0.25 }, CLICK_M) : undefined;
    const player = this.playerAt({ x: at.x, y: at.y + 0.5 });
    // Of two who stand close together the nearer one is meant.
    const isHands = hands && (!player || Math.abs(hands.x - at.x) < Math.abs(player.x - at.x));
    if (isHands) {
      if (nearestForHands([hands], here)) this.useHands(hands);
      else this.toast("That is too far away: go nearer.");
      return true;
    }
    if (player) this.menu(player.name, click);
    return player !== undefined;
  }

  /** @param {{x: number, y: number}} at */
  playerAt(at) {
    const me = this.world.me();
    return [...this.world.entities].find((entity) => {
      return entity.kind === 0 && entity !== me && Math.hypot(entity.x - at.x, entity.y - at.y) < CLICK_M;
    });
  }

  // ---- what is seen and heard -------------------------------------------------------------------------

  /** The sign over a person. @param {Entity} entity */
  mark(entity) {
    const { Person } = entity.components;
    return Person ? markOf(Person.who, Person.mark, this.world.me()?.components.QuestLog, this.tables) : "";
  }

  /** What lay on the ground is no gain of the world, and nobody tells of it but the bag. */
  seeHeap() {
    const { heap } = this;
    if (heap && performance.now() > heap.untilMs) this.heap = null;
    if (!this.heap || !heap || (this.bag.counts.get(heap.item) ?? 0) < heap.had + heap.count) return;
    this.heap = null;
    this.heardGot(heap);
  }

  /** @param {Record<string, any>} got */
  heardGot({ item, count }) {
    const here = this.world.here();
    if (here) this.picture.effects.gain(`+${this.tables.words(item, count)}`, here);
  }
}
