import { networkInterfaces } from 'node:os';

import type { Context } from 'mocha';

import { noImageReason } from './build-image.ts';

/** An address of this machine that pods reach. */
export const hostAddress: string = process.env['KW_TEST_HOST_ADDRESS'] ?? '10.244.0.1';
/** A registry that takes pushes over plain HTTP, under the name that nodes use. */
export const pushRegistry: string = process.env['KW_TEST_PUSH_REGISTRY'] ?? 'registry.local:5000';

/**
 * Skips the suite where an image cannot be built or pods cannot reach this machine. In CI, that is a
 * failure.
 */
export async function skipWithoutMeans(context: Context): Promise<void> {
  const addresses = Object.values(networkInterfaces()).flatMap((interfaces) => interfaces ?? []);
  const reason = addresses.some(({ address }) => address === hostAddress)
    ? await noImageReason()
    : `this machine lacks the address ${hostAddress}, which pods have to reach`;
  if (reason === undefined || process.env['KUBECONFIG'] === undefined) return;
  if (process.env['CI'] !== undefined) throw new Error(reason);
  console.log(`      skipped: ${reason}`);
  context.skip();
}
