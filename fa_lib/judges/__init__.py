"""The paper's statements, judged from tables by the rules of `fa_lib.protocol`."""
