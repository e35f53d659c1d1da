// HLS: natively where the browser has it, else through hls.js, which only then is fetched.

export interface HlsPlayer {
  stop(): void;
  /** Goes to the newest second. */
  toLive(): void;
}

const TYPE = "application/vnd.apple.mpegurl";

export async function playHls(
  video: HTMLVideoElement,
  url: string,
  failed: () => void,
): Promise<HlsPlayer> {
  const { default: Hls } = await import("hls.js/light");
  if (!Hls.isSupported()) {
    if (video.canPlayType(TYPE) === "") throw new Error("no HLS");
    video.src = url;
    void video.play().catch(() => undefined);
    return {
      stop: () => {
        video.removeAttribute("src");
        video.load();
      },
      toLive: () => {
        const { seekable } = video;
        if (seekable.length > 0) video.currentTime = seekable.end(seekable.length - 1) - 4;
      },
    };
  }
  // The worker would be a blob: script, which the page's policy forbids.
  const hls = new Hls({
    enableWorker: false,
    liveSyncDurationCount: 2,
    liveMaxLatencyDurationCount: Infinity,
    maxLiveSyncPlaybackRate: 1.1,
    backBufferLength: 120,
  });
  let recovered = 0;
  hls.on(Hls.Events.ERROR, (_event, data) => {
    if (!data.fatal) return;
    recovered += 1;
    if (recovered > 8) failed();
    else if (data.type === Hls.ErrorTypes.MEDIA_ERROR) hls.recoverMediaError();
    else window.setTimeout(() => hls.loadSource(url), 1000 * recovered);
  });
  hls.on(Hls.Events.FRAG_BUFFERED, () => (recovered = 0));
  hls.loadSource(url);
  hls.attachMedia(video);
  hls.on(Hls.Events.MANIFEST_PARSED, () => void video.play().catch(() => undefined));
  return {
    stop: () => hls.destroy(),
    toLive: () => {
      if (hls.liveSyncPosition !== null) video.currentTime = hls.liveSyncPosition;
    },
  };
}
