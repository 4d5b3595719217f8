/** Where events come from: memory that the kernel fills. Nothing is kept on this side of it. */
export interface EventSource<T> {
  /** What becomes readable when there are events. Open until `close`. */
  readonly fds: readonly number[];
  /**
   * Takes out up to `limit` of the events that are there and gives each to `deliver`; returns how many. When it returns less than `limit`, it
   * has seen the end, and an event that comes afterwards makes one of `fds` readable. An event for which `deliver` throws is taken out.
   */
  read(deliver: (event: T) => void, limit: number): number;
  /** Tells the kernel that the room of what was taken out is free again, where `read` has put that off. */
  release(): void;
  /** Also when it cannot go on, after `read` has thrown why. */
  readonly closed: boolean;
  /** May be called from `deliver`, and more than once. */
  close(): void;
}

/** Decodes the record of `length` bytes at `at`. */
export type RecordDecoder<T> = (bytes: Uint8Array, at: number, length: number) => T;
