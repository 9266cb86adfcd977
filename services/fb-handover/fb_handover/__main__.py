from fb_handover.main import main

main()
