# Sourced by the scripts: puts the pinned Deno on PATH. One that is there already is used when it is that very version;
# else it comes from the npm registry, with npm, into .tools/ (not in git). `install_dependencies` fills node_modules.
DENO_VERSION=2.9.6

# Deno reads NPM_CONFIG_REGISTRY and .npmrc of the project and of the home, but no other place that npm is set up in.
if [ -z "${NPM_CONFIG_REGISTRY:-}" ] && command -v npm >/dev/null; then
  NPM_CONFIG_REGISTRY=$(npm config get registry 2>/dev/null) && export NPM_CONFIG_REGISTRY || unset NPM_CONFIG_REGISTRY
fi
export DENO_NO_UPDATE_CHECK=1

is_pinned_deno() { [ "$("$1" eval -p Deno.version.deno 2>/dev/null)" = "$DENO_VERSION" ]; }

if ! { command -v deno >/dev/null && is_pinned_deno deno; }; then
  case $(uname -m) in
    x86_64) deno_arch=x64 ;;
    aarch64) deno_arch=arm64 ;;
    *) echo "Deno has no package for $(uname -m)" >&2; exit 1 ;;
  esac
  deno_package=@deno/linux-$deno_arch-glibc
  deno_folder=$PWD/.tools/deno-$DENO_VERSION
  if ! is_pinned_deno "$deno_folder/node_modules/$deno_package/deno"; then
    command -v npm >/dev/null || {
      echo "neither Deno $DENO_VERSION nor npm is here: install one of them (Debian: apt-get install npm)" >&2
      exit 1
    }
    echo "getting Deno $DENO_VERSION from the npm registry" >&2
    mkdir -p "$deno_folder"
    npm install --prefix "$deno_folder" --no-save --no-audit --no-fund --ignore-scripts --loglevel=error \
      "$deno_package@$DENO_VERSION" >&2 || { echo "Deno cannot be installed" >&2; exit 1; }
    chmod +x "$deno_folder/node_modules/$deno_package/deno"
  fi
  PATH=$deno_folder/node_modules/$deno_package:$PATH
  export PATH
fi

install_dependencies() { deno install --quiet >&2 && deno run --quiet --allow-read --allow-write scripts/patch_dependencies.ts; }
