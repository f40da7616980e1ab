/**
 * `plain`: on a third-party server
 */
export type State = "out" | "entering" | "in" | "plain" | "dropped";
export type WorldEvents = {
    state: State;
    /**
     * how far a wish to enter or to go on is
     */
    progress: EnterProgress;
    /**
     * another server is ready
     */
    follow: FollowOffer;
    /**
     * another server plays now; nothing to do
     */
    switch: {
        from: string;
        to: string;
        epoch: number;
        gapMs: number;
    };
    /**
     * it walked over a border, and another server plays; nothing to do
     */
    crossed: {
        from: string;
        to: string;
        gapMs: number;
    };
    /**
     * the connection was lost
     */
    drop: {
        code: number;
        refusal: Refusal | null;
        attempt: number;
        retryInMs: number;
    };
    /**
     * and it is back
     */
    resume: {
        how: "resumed" | "entered";
        attempts: number;
    };
    /**
     * a «no» to the last wish
     */
    refused: Refusal;
    /**
     * something to tell the player: of the server (`type` `server`), of friends, parties, factions, mail
     */
    notice: Notice;
    /**
     * what is seen has changed; called after the listeners of entities
     */
    update: Changes;
    /**
     * something happened, as the game's schema has it
     */
    event: {
        name: string;
        values: Record<string, any>;
    };
    /**
     * how fast the area's time runs, percent of real time
     */
    pace: number;
    /**
     * of a chunk have come
     */
    tiles: {
        cx: number;
        cy: number;
    };
    /**
     * what a third-party server says
     */
    plain: {
        data: any;
        first: boolean;
    };
    /**
     * a socket, whichever; for development
     */
    closed: {
        url: string;
        code: number;
    };
    /**
     * it is over; code `left` if wished
     */
    end: Refusal;
};
export type FollowOffer = {
    url: string;
    /**
     * a third-party server: leave first, then connect
     */
    plain: boolean;
    /**
     * whether it waits for `accept`
     */
    prompt: boolean;
    accept: () => void;
    decline: () => void;
};
import type { EnterProgress } from "./http_types.js";
import type { Refusal } from "./refusal.js";
import type { Notice } from "./social_types.js";
import type { Changes } from "./entities.js";
