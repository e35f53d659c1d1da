// WebRTC with the room: one offer, one answer, no server beside the room.

import { gathered } from "./gathered";

export interface Accepted {
  id: string;
  sdp: string;
}

export async function call(method: string, path: string, body?: unknown): Promise<Response> {
  return fetch(`/api/v1/share${path}`, {
    method,
    credentials: "same-origin",
    cache: "no-store",
    headers: { "content-type": "application/json" },
    ...(body !== undefined && { body: JSON.stringify(body) }),
  });
}

/** Offers the connection with all its candidates and takes the room's answer; its id. */
export async function connect(pc: RTCPeerConnection, path: string, more: object): Promise<string> {
  await pc.setLocalDescription();
  await gathered(pc);
  const answer = await call("POST", path, { sdp: pc.localDescription?.sdp, ...more });
  if (!answer.ok) {
    const problem = (await answer.json().catch(() => ({}))) as { detail?: string };
    throw new Error(problem.detail ?? `HTTP ${answer.status}`);
  }
  const told = (await answer.json()) as Accepted;
  await pc.setRemoteDescription({ type: "answer", sdp: told.sdp });
  return told.id;
}
