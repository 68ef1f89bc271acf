// What can become of a request on its way. Each fault runs its course and is over; nothing here is drawn by chance.
import { setTimeout as wait } from 'node:timers/promises';
import type { Fault, Passage } from './passage.js';

/** No fault at all. */
export function pass(passage: Passage): void {
  passage.passAnswer();
  passage.deliver();
}

/** The connection breaks, and the server never hears of the request. */
export const cutBefore: Fault = (passage) => { passage.cut(); };

/** The server does what was asked; the connection breaks, and its answer is lost. */
export const cutAfter: Fault = async (passage) => {
  passage.deliver();
  await passage.answered;
  passage.cut();
};

/** The connection breaks in the middle of the answer. */
export const cutInAnswer = (bytes: number): Fault => async (passage) => {
  passage.deliver();
  await passage.answered;
  passage.passAnswerBegin(bytes);
  passage.cut();
};

/** Everything waits for so long, then goes on as if nothing had been. */
export const delayed = (delay_ms: number): Fault => async (passage) => {
  await wait(delay_ms);
  pass(passage);
};

/** Nobody hears anything until the client gives up by its own limit of time; later the server gets the request. */
export const heldUntilGivenUp = (late_ms: number): Fault => async (passage) => {
  await passage.client_gone;
  await wait(late_ms);
  passage.deliver();
  await passage.answered;
  passage.cut();
};

/**
 * The same without the waiting: the client loses the connection at once. The server keeps its half (and the locks of
 * its transaction) and gets the request so much later, when the client may long have asked again.
 */
export const deliveredLate = (late_ms: number): Fault => async (passage) => {
  passage.cutClient();
  await wait(late_ms);
  passage.deliver();
  await passage.answered;
  passage.cut();
};

/** The answer alone is late: the server has done it at once. */
export const answeredLate = (late_ms: number): Fault => async (passage) => {
  passage.deliver();
  await passage.answered;
  await wait(late_ms);
  passage.passAnswer();
};

/** Something else happens (a process dies), and the request goes down with the connection. */
export const insteadOf = (happens: () => void | Promise<void>): Fault => async (passage) => {
  await happens();
  passage.cut();
};

/** The server has done what was asked; something else happens, and the answer goes down with the connection. */
export const rightAfter = (happens: () => void | Promise<void>): Fault => async (passage) => {
  passage.deliver();
  await passage.answered;
  await happens();
  passage.cut();
};

/** Something else happens while the request is held; then it goes on. */
export const during = (happens: () => void | Promise<void>): Fault => async (passage) => {
  await happens();
  pass(passage);
};
