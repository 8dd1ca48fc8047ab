import type { Route } from '../http/request.ts';
import { containerRoutes } from './container-routes.ts';
import type { StatusContext } from './context.ts';
import { imageRoutes } from './image-routes.ts';
import { probeRoutes } from './probe-routes.ts';
import { statusRoutes } from './status-routes.ts';
import { taskRoutes } from './task-routes.ts';
import { volumeRoutes } from './volume-routes.ts';

/** All paths of the status server. `docs/openapi.yaml` describes each. */
export function statusServerRoutes(context: StatusContext): readonly Route[] {
  return [
    ...probeRoutes(context.health),
    ...statusRoutes(context),
    ...containerRoutes(context),
    ...taskRoutes(context),
    ...volumeRoutes(context),
    ...imageRoutes(context),
  ];
}
