/**
 * One monitor for all who ask the same of the same: a host that serves a thousand addresses is asked once, and not a thousand times.
 */
import type { Health } from "../contract.ts";
import type { Check } from "../state.ts";
import { type HealthState, Monitor } from "./monitor.ts";
import type { Target } from "./probe.ts";

type Listener = (from: Health, state: HealthState) => void;

interface Shared {
  monitor: Monitor;
  listeners: Map<string, Listener>;
}

export class SharedMonitors {
  readonly #shared = new Map<string, Shared>();

  /** What makes a question the same. */
  static keyOf(check: Check, { address, port }: Target): string {
    return JSON.stringify([address, port, Object.entries(check).sort(([a], [b]) => (a < b ? -1 : 1))]);
  }

  /** The monitor for that question, which begins with `state` if nobody has asked it yet; `listener` is called on its changes until `leave`. */
  join(check: Check, target: Target, state: HealthState, member: string, listener: Listener): Monitor {
    const key = SharedMonitors.keyOf(check, target);
    const there = this.#shared.get(key);
    if (there !== undefined) {
      there.listeners.set(member, listener);
      return there.monitor;
    }
    const listeners = new Map([[member, listener]]);
    const monitor = new Monitor(check, target, state, (from, now) => {
      for (const each of [...listeners.values()]) each(from, now);
    });
    this.#shared.set(key, { monitor, listeners });
    return monitor;
  }

  /** Nobody else asking, it is asked no more. */
  leave(key: string, member: string): void {
    const there = this.#shared.get(key);
    there?.listeners.delete(member);
    if (there === undefined || there.listeners.size > 0) return;
    there.monitor.close();
    this.#shared.delete(key);
  }

  close(): void {
    for (const { monitor } of this.#shared.values()) monitor.close();
    this.#shared.clear();
  }
}
