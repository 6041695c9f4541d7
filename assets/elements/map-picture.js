import { h } from "../dom.js";
import { isFilm } from "../format.js";

/**
 * A map as a picture, or as a silent film.
 *
 * @param {{ name: string, url: string, alt: string, controls?: boolean, failed?: () => void }} options
 * @returns {HTMLImageElement | HTMLVideoElement}
 */
export function mapPicture({ name, url, alt, controls = false, failed = () => {} }) {
  if (!isFilm(name)) return h("img", { loading: controls ? "eager" : "lazy", decoding: "async", alt, src: url, on: { error: failed } });
  const film = h("video", { muted: true, loop: true, playsInline: true, preload: "none", "aria-label": alt, on: { error: failed } });
  film.src = url;
  if (controls) {
    film.controls = true;
    film.autoplay = !matchMedia("(prefers-reduced-motion: reduce)").matches;
  } else {
    // A film has no lazy loading of its own; its first frame is fetched once it comes into sight.
    const sight = new IntersectionObserver((entries) => {
      if (!entries.some((entry) => entry.isIntersecting)) return;
      film.preload = "metadata";
      sight.disconnect();
    });
    sight.observe(film);
  }
  return film;
}
