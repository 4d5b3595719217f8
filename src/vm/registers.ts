/** The eleven registers of one function call, seen as 64-bit integers of either sign and as 32-bit halves. */
import { VmFault } from "./fault.ts";

export const REGISTERS = 11;

export class Registers {
  readonly u64 = new BigUint64Array(REGISTERS);
  readonly s64 = new BigInt64Array(this.u64.buffer);
  /** Register r is at 2r (lower half) and 2r + 1 (upper half). */
  readonly u32 = new Uint32Array(this.u64.buffer);
  readonly s32 = new Int32Array(this.u64.buffer);
  /** Bit r: register r has a value. */
  #known = 0;

  /** @throws VmFault when nothing was written to `register` yet. */
  need(register: number): void {
    if ((this.#known & (1 << register)) === 0) throw new VmFault(`The program reads r${register}, which has no value here.`);
  }

  set(register: number, value: bigint): void {
    this.u64[register] = value;
    this.#known |= 1 << register;
  }

  /** Zero-extends. */
  set32(register: number, value: number): void {
    this.u32[2 * register] = value;
    this.u32[2 * register + 1] = 0;
    this.#known |= 1 << register;
  }

  get(register: number): bigint {
    this.need(register);
    return this.u64[register] ?? 0n;
  }

  /** r1 and on, as far as they have values without a gap: what a subprogram is given. */
  arguments(): bigint[] {
    const result: bigint[] = [];
    for (let register = 1; register <= 5 && (this.#known & (1 << register)) !== 0; register++) {
      result.push(this.u64[register] ?? 0n);
    }
    return result;
  }

  /** A call leaves nothing in r1 to r5. */
  forgetArguments(): void {
    this.#known &= ~0b111110;
  }
}
