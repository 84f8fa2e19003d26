/** The first of the words with which the scripts below ask what may come next. */
export const COMPLETE = '__complete';

/** Instead of candidates: the names of files, which the shell knows best. */
export const FILES = ':files';

/**
 * What shells run at Tab. All they do is ask `keelson __complete WORD...` for lines of a candidate,
 * a tab and what it is, so that they never have to change when commands do.
 */
export const COMPLETION_SCRIPTS: Readonly<Record<string, string>> = {
  bash: `# keelson completion for bash. In ~/.bashrc:  source <(keelson completion bash)
_keelson() {
  local words text about line="\${COMP_LINE:0:COMP_POINT}"
  # From the line: bash cuts its own words at = and : as well.
  read -ra words <<< "$line"
  [[ $line == *[[:space:]] ]] && words+=('')
  local last="\${words[\${#words[@]} - 1]}" typed="$2"
  [[ $typed == '=' || $typed == ':' ]] && typed=
  COMPREPLY=()
  while IFS=$'\\t' read -r text about; do
    if [[ $text == '${FILES}' ]]; then
      compopt -o default
      return
    fi
    [[ $text == *= ]] && compopt -o nospace
    # Bash replaces only what stands behind the last = or :.
    COMPREPLY+=("\${text:\${#last} - \${#typed}}")
  done < <("\${words[0]/#\\~/$HOME}" ${COMPLETE} "\${words[@]:1}" 2>/dev/null)
}
complete -F _keelson keelson
`,
  zsh: `#compdef keelson
# keelson completion for zsh. In ~/.zshrc, behind compinit:  source <(keelson completion zsh)
_keelson() {
  local line text
  local -a closed open
  for line in "\${(@f)$("\${words[1]}" ${COMPLETE} "\${(@Q)words[2,CURRENT-1]}" "\${(Q)PREFIX}" 2>/dev/null)}"; do
    if [[ $line == '${FILES}' ]]; then
      compset -P '--*='
      _files
      return
    fi
    text="\${line%%$'\\t'*}"
    if [[ $text == *= ]]; then
      open+=("\${text//:/\\:}:\${line#*$'\\t'}")
    elif [[ -n $text ]]; then
      closed+=("\${text//:/\\:}:\${line#*$'\\t'}")
    fi
  done
  (( \${#closed} )) && _describe keelson closed
  (( \${#open} )) && _describe keelson open -S ''
}
if [[ \${funcstack[1]} == _keelson ]]; then
  _keelson "$@"
else
  compdef _keelson keelson
fi
`,
};
