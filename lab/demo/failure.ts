// Why a demo ends early. `DemoFailed` is one sentence for whoever watches; `Interrupted` is a Ctrl-C.

export class DemoFailed extends Error {
  override readonly name = 'DemoFailed';
}

export class Interrupted extends Error {
  override readonly name = 'Interrupted';
}

/** @throws Interrupted once a signal has come: to be called between any two steps. */
export function requireGoing(stop: AbortSignal): void {
  if (stop.aborted) throw new Interrupted('interrupted');
}
