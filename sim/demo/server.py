"""The page's server: static files, and answers as JSON. It is for one's own machine only."""

from pathlib import Path

from flask import Flask, Response, abort, jsonify, request
from werkzeug.exceptions import HTTPException

from sim.demo import drawing, files
from sim.demo.session import Session
from sim.verilator.simulator import CoreError
from sw.cli import UserError, from_json

__all__ = ["ADDRESS", "LIMIT", "create_app"]

ADDRESS = "127.0.0.1"
LIMIT = 8 << 20  # bytes of a request
_HEADERS = {
    "Content-Security-Policy": "default-src 'none'; script-src 'self'; style-src 'self'; "
    "img-src 'self'; connect-src 'self'; base-uri 'none'; form-action 'none'; "
    "frame-ancestors 'none'",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Referrer-Policy": "no-referrer",
    "X-Content-Type-Options": "nosniff",
    "Cache-Control": "no-store",
}


def create_app(session: Session) -> Flask:
    """The page for ``session``. What is wrong with a request is one line, ``error``, in JSON."""
    app = Flask(__name__, static_folder=str(Path(__file__).parent / "static"))
    app.config["MAX_CONTENT_LENGTH"] = LIMIT
    app.json.sort_keys = False  # type: ignore[attr-defined]
    # A page elsewhere whose name leads to this machine (DNS rebinding) comes with its own name.
    app.config["TRUSTED_HOSTS"] = [ADDRESS, "localhost"]

    @app.before_request
    def refuse_other_sites() -> None:
        if request.headers.get("Sec-Fetch-Site", "none") not in ("none", "same-origin"):
            abort(403, "the page takes requests of its own only")

    @app.after_request
    def protect(response: Response) -> Response:
        response.headers.update(_HEADERS)
        return response

    @app.errorhandler(UserError)
    def refused(error: UserError) -> tuple[Response, int]:
        return jsonify(error=str(error)), 400

    @app.errorhandler(CoreError)
    def hangs(error: CoreError) -> tuple[Response, int]:
        return jsonify(error=f"the core's behaviour is wrong: {error}"), 500

    @app.errorhandler(HTTPException)
    def failed(error: HTTPException) -> tuple[Response, int]:
        if error.code == 413:
            return jsonify(error=f"the request is larger than {LIMIT >> 20} MiB"), 413
        return jsonify(error=error.description), error.code or 500

    @app.get("/")
    def page() -> Response:
        return app.send_static_file("index.html")

    @app.get("/api/network")
    def network() -> Response:
        return jsonify(**session.describe(), limit=LIMIT)

    @app.get("/api/examples/<int:index>")
    def example(index: int) -> Response:
        return jsonify(session.example(index))

    @app.post("/api/drawings")
    def drawn() -> Response:
        if not session.picture:
            raise UserError(f"this network takes {session.takes}; nothing can be drawn for it")
        try:
            strokes = from_json(request.get_data(as_text=True))
        except ValueError:
            raise UserError("a drawing must be JSON") from None
        height, width, *_ = session.shape
        drawn = drawing.render(drawing.parse(strokes), (height, width))
        return jsonify(session.image(drawn.reshape(session.shape)))

    @app.post("/api/files")
    def file() -> Response:
        image = files.from_file(
            request.get_data(),
            session.shape,
            picture=session.pictures,
            invert=(request.args.get("invert") == "1") != session.inverted,
        )
        return jsonify(session.image(image))

    return app
