import { imageArchive } from '../support/dockerd-images.ts';
import { isolateNetwork } from '../support/isolated.ts';

/**
 * Prints the file with the images of this source tree and their tag, as JSON. A program of its own:
 * the engine that builds them must not get near the firewall of the cluster.
 */
isolateNetwork();
process.stdout.write(`${JSON.stringify(await imageArchive())}\n`);
