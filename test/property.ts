/**
 * Property tests draw the same values each time, so that a failure comes with the change that causes it. WIRESCRIPT_SEED has them draw others; a
 * failure names its seed.
 */
import fc, { type IAsyncProperty, type IProperty, type IRawProperty, type Parameters } from "fast-check";

export const SEED = Number(process.env.WIRESCRIPT_SEED ?? 20_261_121);

/** As fast-check's `assert`. */
export function assertProperty<Ts>(property: IAsyncProperty<Ts>, parameters?: Parameters<Ts>): Promise<void>;
export function assertProperty<Ts>(property: IProperty<Ts>, parameters?: Parameters<Ts>): void;
export function assertProperty<Ts>(property: IRawProperty<Ts>, parameters: Parameters<Ts> = {}): Promise<void> | void {
  return fc.assert(property, { seed: SEED, ...parameters });
}
