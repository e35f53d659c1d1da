// Two pictures of one class in step: both carry class time, so the one without sound follows.

const NUDGE_S = 0.02;
const SEEK_S = 0.4;

/** Keeps `follower` (muted) at the time of `leader`; call the result to stop. */
export function keepInStep(leader: HTMLVideoElement, follower: HTMLVideoElement): () => void {
  follower.muted = true;
  const timer = window.setInterval(() => {
    if (leader.readyState < 2 || follower.readyState < 2 || follower.seeking) return;
    const ahead = follower.currentTime - leader.currentTime;
    if (Math.abs(ahead) > SEEK_S && reachable(follower, leader.currentTime)) {
      follower.currentTime = leader.currentTime;
      return;
    }
    const nudge = Math.abs(ahead) < NUDGE_S ? 0 : Math.max(-0.08, Math.min(0.08, ahead * 0.6));
    follower.playbackRate = Math.max(0.5, leader.playbackRate - nudge);
  }, 200);
  return () => clearInterval(timer);
}

function reachable(video: HTMLVideoElement, time: number): boolean {
  const { buffered } = video;
  for (let index = 0; index < buffered.length; index += 1) {
    if (time >= buffered.start(index) && time <= buffered.end(index)) return true;
  }
  return false;
}
