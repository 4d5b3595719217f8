/**
 * Asks one backend again and again how it is. It is down after `fall` failures in a row, and up after `rise` successes; of one that is not known
 * yet, the first success decides: it may have connections of a service that was restarted, which one late answer must not end. Intervals vary by a tenth, so that the checks of many do not fall into step.
 */
import type { Health } from "../contract.ts";
import type { Check } from "../state.ts";
import { Patience } from "./patience.ts";
import { probe, type Target } from "./probe.ts";
import { sick } from "./sick.ts";

export interface HealthState {
  health: Exclude<Health, "unchecked">;
  /** Why it is down. */
  reason?: string;
  since: Date;
}

const JITTER = 0.1;
/** The first questions are spread over this time, in seconds, or over the interval if that is shorter. */
const SPREAD = 0.5;

export class Monitor {
  readonly #check: Check;
  readonly #target: Target;
  readonly #changed: (from: Health, state: HealthState) => void;
  #state: HealthState;
  /** Results in a row that speak against `#state`. */
  #against = 0;
  #timer: NodeJS.Timeout | undefined;
  #asking: AbortController | null = null;
  #open = true;

  /** Begins at once. `changed` hears of every change. */
  constructor(check: Check, target: Target, state: HealthState, changed: (from: Health, state: HealthState) => void) {
    this.#check = check;
    this.#target = target;
    this.#state = state;
    this.#changed = changed;
    this.#schedule(Math.random() * Math.min(SPREAD, check.interval));
  }

  get state(): HealthState {
    return this.#state;
  }

  #schedule(seconds: number): void {
    this.#timer = setTimeout(() => void this.#ask(), seconds * 1000);
  }

  async #ask(): Promise<void> {
    const { interval, timeout } = this.#check;
    const started = performance.now();
    const reason = await this.#probe(timeout);
    if (!this.#open) return;
    // Counted from question to question, as far as the answers come in time.
    const taken = (performance.now() - started) / 1000;
    const varied = interval * (1 + JITTER * (2 * Math.random() - 1));
    this.#schedule(Math.max(0, varied - taken));
    this.#note(reason);
  }

  /** Null when it is well. */
  async #probe(timeout: number): Promise<string | null> {
    const asking = new AbortController();
    const patience = new Patience(timeout, () => asking.abort());
    this.#asking = asking;
    try {
      await probe(this.#check, this.#target, asking.signal);
      return null;
    } catch (error) {
      return sick(error).message;
    } finally {
      this.#asking = null;
      patience.end();
    }
  }

  #note(reason: string | null): void {
    const { health } = this.#state;
    const found = reason === null ? "up" : "down";
    if (found === health) {
      this.#against = 0;
      if (reason !== null) this.#state = { ...this.#state, reason };
      return;
    }
    this.#against++;
    const enough = found === "down" ? this.#check.fall : health === "unknown" ? 1 : this.#check.rise;
    if (this.#against < enough) return;
    this.#against = 0;
    this.#state = { health: found, since: new Date(), ...(reason !== null && { reason }) };
    this.#changed(health, this.#state);
  }

  close(): void {
    this.#open = false;
    this.#asking?.abort();
    clearTimeout(this.#timer);
  }
}
