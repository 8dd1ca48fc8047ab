import { InvalidSpecError } from '../../errors/caller.ts';
import type { ContainerMetadata, ContainerSpec } from '../../runtime/container.ts';

/** The teams whose containers may be privileged, by `ContainerMetadata.team`. */
export type PrivilegedTeams = 'all' | readonly string[];

/** @throws InvalidSpecError - `privileged`: the worker does not permit it to this team */
export function checkPrivileged(
  { privileged }: Pick<ContainerSpec, 'privileged'>,
  { team }: ContainerMetadata,
  permitted: PrivilegedTeams,
): void {
  if (privileged !== true || permitted === 'all') return;
  if (team !== undefined && permitted.includes(team)) return;
  const subject = team === undefined ? 'a step without a team' : `team ${JSON.stringify(team)}`;
  throw new InvalidSpecError('privileged', `true is not permitted to ${subject}: see the option privilegedTeams`);
}
