// An offer goes out with all its candidates: nothing is trickled, in WHEP as in sharing.

const GATHER_MS = 1500;

/** Resolves when all candidates of the connection are known, or after a while with those that are. */
export function gathered(pc: RTCPeerConnection): Promise<void> {
  if (pc.iceGatheringState === "complete") return Promise.resolve();
  return new Promise((done) => {
    const timer = setTimeout(done, GATHER_MS);
    pc.addEventListener("icegatheringstatechange", () => {
      if (pc.iceGatheringState !== "complete") return;
      clearTimeout(timer);
      done();
    });
  });
}
