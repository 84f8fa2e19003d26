import { DEFAULT_NODE_COUNT, MAX_NODES } from '../model/layout.ts';
import { VERSION } from '../model/version.ts';
import { DEFAULT_REPLACE_AFTER_SECONDS } from '../options.ts';
import { DEFAULT_ENGINE } from '../platforms/docker/engine-address.ts';
import { DEFAULT_DATA_ROOT } from '../platforms/docker/node-option.ts';
import { DEFAULT_NETWORK_PREFIX } from '../platforms/docker/private-networks.ts';

import { DEFAULT_NODE_ROOT, DEFAULT_PROVISIONER } from './kubernetes.ts';

export const HELP = `npm start -- [options]

  --data DIR        where everything is kept   (default: $KEELSON_DATA or ./.keelson)
  --nodes 3         number of nodes, 1 to ${MAX_NODES}    (default: as last time, or ${DEFAULT_NODE_COUNT})
  --api-port 5705   port of the API
  --listen ADDRESS  IP address of the API      (default: 127.0.0.1)
                    beyond loopback it asks for the token in DIR/token
  --require-token   ask for the token on loopback, too
  --replace-after ${DEFAULT_REPLACE_AFTER_SECONDS}  seconds that a copy may be away before another node gets one
  --no-demo         do not create the volume default/demo on an empty installation
  --help

On Docker, with --platform docker, nodes are engines and processes containers:

  --node name=NAME[,data=DIR][,engine=URL][,tls=DIR][,address=ADDRESS]     once for each node
                    data     its directory            (default: ${DEFAULT_DATA_ROOT}/NAME)
                    engine   unix:///SOCKET, tcp://HOST:PORT or ssh://USER@HOST
                                                      (default: ${DEFAULT_ENGINE})
                    tls      ca.pem, cert.pem, key.pem for a tcp engine
                    address  IP address that all nodes reach; with several engines
                    or $KEELSON_NODES, with ; between them
  --advertise ADDRESS      IP address of this machine that all nodes reach; with several engines
  --network-prefix ${DEFAULT_NETWORK_PREFIX}   two octets of the private networks, one a volume
  --image-prefix keelson/  --image-tag ${VERSION}
  --name-prefix keelson    before the names of containers and networks

On Kubernetes, with --platform kubernetes, nodes are its nodes and processes pods (manifests/kubernetes):

  --namespace NAME         of all pods   (default: $POD_NAMESPACE); the pod's own name is $POD_NAME
  --node-selector LABELS   only nodes with these labels take copies, as a=b,c=d   (default: all without taints)
  --data-root DIR          on each node, where its copies are  (default: ${DEFAULT_NODE_ROOT})
  --provisioner NAME       serve storage classes of this provisioner  (default: ${DEFAULT_PROVISIONER})
  --image-prefix PREFIX --image-tag TAG   of controllers and replicas  (default: as this pod's image)
`;
