// A thread that tells the stories it is sent, each with all its crash points.
import { parentPort } from 'node:worker_threads';
import { exhaust } from './exhaustive.js';
import { scenarios } from './scenarios.js';

export interface StoryWanted {
  readonly index: number;
  readonly every_pair: number;
}

parentPort?.on('message', ({ index, every_pair }: StoryWanted) => {
  const scenario = scenarios[index];
  if (!scenario) throw new RangeError(`there is no story ${index}`);
  void exhaust(scenario, { every_pair, onTelling: () => parentPort?.postMessage('told') })
    .then((result) => parentPort?.postMessage(result));
});
