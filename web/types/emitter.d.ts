/**
 * Typed events. A listener that throws is reported and harms nobody else.
 * @module
 */
/** @template {object} Events */
export class Emitter<Events extends object> {
    /** @type {Map<keyof Events, Set<(event: any) => void>>} */
    listeners: Map<keyof Events, Set<(event: any) => void>>;
    /**
     * @template {keyof Events} K
     * @param {K} name
     * @param {(event: Events[K]) => void} listener
     * @returns {() => void} takes the listener off
     */
    on<K extends keyof Events>(name: K, listener: (event: Events[K]) => void): () => void;
    /**
     * @template {keyof Events} K
     * @param {K} name
     * @param {Events[K]} event
     */
    emit<K extends keyof Events>(name: K, event: Events[K]): void;
}
